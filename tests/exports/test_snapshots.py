"""Snapshots: written once, known by their hash, given out by number, and never changed."""

import hashlib
import io
import zipfile

import openpyxl
import psycopg
import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.core.errors import Forbidden, Invalid
from trialsite.exports.errors import Damaged, NoSuchTable, NotReady
from trialsite.exports.models import Snapshot
from trialsite.exports.services import request_snapshot, snapshot_file
from trialsite.exports.writing import write_snapshot


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EXPORTS = str(tmp_path / "exports")
    return tmp_path / "exports"


@pytest.fixture
def operated(committed, site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """The worker is called by hand here."""
    from trialsite.exports.tasks import write_snapshot as task

    monkeypatch.setattr(task, "delay", lambda number: None)


def written(user, kind="csv"):
    snapshot = request_snapshot(actor=user, format=kind, purpose="interim report")
    return write_snapshot(number=snapshot.pk)


def test_an_archive_of_all_tables_with_code_book_and_hash(operated, person):
    statistician = person("statistician")
    snapshot = written(statistician)
    _, path = snapshot_file(actor=statistician, number=snapshot.pk)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == snapshot.sha256
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        labs = archive.read("labs.csv").decode()
    assert {"participants.csv", "labs.csv", "long.csv", "codebook.csv", "about.json"} <= set(names)
    assert operated.code in labs
    assert snapshot.contents["labs.csv"] == len(labs.encode())


def test_a_workbook_with_a_sheet_for_each_table(operated, person):
    statistician = person("statistician")
    snapshot = written(statistician, "xlsx")
    _, path = snapshot_file(actor=statistician, number=snapshot.pk)
    book = openpyxl.load_workbook(path, read_only=True)
    header, first = list(book["labs"].iter_rows(values_only=True))[:2]
    assert dict(zip(header, first, strict=True))["hgb"] == 124
    book.close()
    assert snapshot.contents["labs"] == 1


def test_later_data_do_not_change_a_snapshot(operated, person, site_a, coordinator, investigator):
    statistician = person("statistician")
    snapshot = written(statistician)
    walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    assert write_snapshot(number=snapshot.pk).sha256 == snapshot.sha256
    _, path = snapshot_file(actor=statistician, number=snapshot.pk)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == snapshot.sha256


def test_a_file_that_was_touched_is_not_given_out(operated, person, folder):
    statistician = person("statistician")
    snapshot = written(statistician)
    with (folder / snapshot.file_name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(Damaged):
        snapshot_file(actor=statistician, number=snapshot.pk)


def test_one_that_waits_is_not_given_out(operated, person):
    statistician = person("statistician")
    snapshot = request_snapshot(actor=statistician, format="csv", purpose="interim report")
    with pytest.raises(NotReady):
        snapshot_file(actor=statistician, number=snapshot.pk)


def test_a_snapshot_is_for_those_who_could_export_all_of_it(operated, person, site_a, site_b):
    everything = written(person("data_manager"))
    own = written(person("pi", site_a))
    assert snapshot_file(actor=person("statistician"), number=everything.pk)
    assert snapshot_file(actor=person("statistician"), number=own.pk)
    for number in (everything.pk, own.pk):
        with pytest.raises(NoSuchTable):
            snapshot_file(actor=person("pi", site_b), number=number)
    with pytest.raises(Forbidden):
        snapshot_file(actor=person("coordinator", site_a), number=own.pk)


def test_format_and_purpose_are_asked_for(operated, person):
    statistician = person("statistician")
    with pytest.raises(Invalid) as refused:
        request_snapshot(actor=statistician, format="sas", purpose="x")
    assert set(refused.value.fields) == {"format"}
    with pytest.raises(Invalid) as refused:
        request_snapshot(actor=statistician, format="csv", purpose=" ")
    assert set(refused.value.fields) == {"purpose"}


def test_a_written_snapshot_cannot_be_rewritten_even_by_the_tables_owner(
    operated, person, cluster, committed
):
    snapshot = written(person("statistician"))
    with psycopg.connect(cluster.url("edc_owner", committed)) as owner:
        owner.execute("SELECT set_config('edc.actor', '1', true)")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute("UPDATE exports_snapshot SET sha256 = 'x' WHERE id = %s", [snapshot.pk])


def test_over_rest_it_is_asked_for_looked_at_and_fetched(operated, person):
    client = Client()
    client.force_login(person("statistician"))
    asked = client.post(
        "/api/v1/exports/snapshots/", {"format": "csv", "purpose": "DSMB"}, content_type="application/json"
    )
    assert asked.status_code == 202
    number = asked.json()["id"]
    assert client.get(f"/api/v1/exports/snapshots/{number}/file/").status_code == 409
    write_snapshot(number=number)
    seen = client.get(f"/api/v1/exports/snapshots/{number}/").json()
    answer = client.get(f"/api/v1/exports/snapshots/{number}/file/")
    body = answer.getvalue()
    assert hashlib.sha256(body).hexdigest() == seen["sha256"]
    assert zipfile.is_zipfile(io.BytesIO(body))


def test_a_requester_who_lost_the_right_meanwhile_gets_a_failed_snapshot(operated, person, loader):
    from trialsite.staff.services import end_membership

    statistician = person("statistician")
    snapshot = request_snapshot(actor=statistician, format="csv", purpose="x")
    with acting(loader):
        end_membership(actor=loader, membership=statistician.memberships.get())
    with pytest.raises(Forbidden):
        write_snapshot(number=snapshot.pk)
    snapshot.refresh_from_db()
    assert snapshot.state == Snapshot.State.FAILED
