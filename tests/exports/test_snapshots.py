"""Snapshots: written once, known by their hash, given out by number, and never changed."""

import datetime as dt
import hashlib
import io
import zipfile

import openpyxl
import psycopg
import pytest
from django.test import Client

from tests.conftest import walked_once
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.enrollment import services as enrollment
from trialsite.exports import writing
from trialsite.exports.errors import Damaged, NoSuchTable, NotReady
from trialsite.exports.models import Snapshot
from trialsite.exports.services import request_snapshot, snapshot_file
from trialsite.exports.workbook import typed
from trialsite.exports.writing import write_snapshot
from trialsite.staff.models import Token
from trialsite.staff.services import grant
from trialsite.staff.tokens import end_token, issue_token

ward, site_a, coordinator, investigator, operated = walked_once(__name__, "operated", "operated")


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """The worker is called by hand here."""
    from trialsite.exports.tasks import write_snapshot as task

    monkeypatch.setattr(task, "delay", lambda number: None)


def written(user, kind="csv", **more):
    snapshot = request_snapshot(actor=user, format=kind, purpose="interim report", **more)
    return write_snapshot(number=snapshot.pk)


def taken(user, number):
    return b"".join(snapshot_file(actor=user, number=number)[1])


def test_an_archive_of_all_tables_with_code_book_and_hash(operated, person, monkeypatch):
    monkeypatch.setattr(writing, "PORTION", 1000)
    statistician = person("statistician")
    snapshot = written(statistician)
    file = taken(statistician, snapshot.pk)
    assert (hashlib.sha256(file).hexdigest(), len(file)) == (snapshot.sha256, snapshot.size)
    with acting(statistician):
        assert snapshot.portions.count() == -(-len(file) // 1000) > 1
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        names = archive.namelist()
        labs = archive.read("labs.csv").decode()
    assert {"participants.csv", "labs.csv", "long.csv", "codebook.csv", "codelists.csv", "about.json"} <= set(
        names
    )
    assert operated.code in labs
    assert snapshot.contents["labs.csv"] == len(labs.encode())


def test_a_workbook_with_a_sheet_for_each_table(operated, person):
    statistician = person("statistician")
    snapshot = written(statistician, "xlsx")
    book = openpyxl.load_workbook(io.BytesIO(taken(statistician, snapshot.pk)), read_only=True)
    header, first = list(book["labs"].iter_rows(values_only=True))[:2]
    assert dict(zip(header, first, strict=True))["hgb"] == 124
    book.close()
    assert snapshot.contents["labs"] == 1


def test_a_workbook_holds_numbers_dates_instants_and_times_as_such(operated, person, coordinator):
    save_record(
        actor=coordinator,
        participant=operated,
        event="LOG",
        form="adverse_event",
        values={"aestdat": "2026-10", "aeterm": "=1+1", "aetoxgr": 2, "aeser": False},
    )
    save_record(
        actor=coordinator,
        participant=operated,
        event="LOG",
        form="sae",
        values={"saeterm": "sepsis", "awareat": "2026-10-01T07:30:00+08:00"},
        complete=False,
    )
    statistician = person("statistician")
    snapshot = written(statistician, "xlsx")
    book = openpyxl.load_workbook(io.BytesIO(taken(statistician, snapshot.pk)))
    assert {"codebook", "codelists", "participants"} <= set(book.sheetnames)

    def cell(sheet, column):
        names = [one.value for one in book[sheet][1]]
        return book[sheet][2][names.index(column)]

    assert (cell("labs", "hgb").value, cell("labs", "hgb").number_format) == (124, "General")
    assert isinstance(cell("labs", "lbdat").value, dt.datetime)
    assert cell("labs", "observed_on").number_format == cell("labs", "lbdat").number_format == "yyyy-mm-dd"
    assert cell("adverse_event", "aestdat").value == "2026-10"
    assert (cell("adverse_event", "aeterm").value, cell("adverse_event", "aeterm").data_type) == ("=1+1", "s")
    aware = cell("sae", "awareat")
    assert (aware.value.isoformat(), aware.number_format) == (
        "2026-09-30T23:30:00",
        'yyyy-mm-dd hh:mm:ss "UTC"',
    )
    assert isinstance(cell("participants", "registered_at").value, dt.datetime)
    with acting(statistician):
        registered = type(operated).objects.get(pk=operated.pk).created_at
    told = cell("participants", "registered_at").value.replace(tzinfo=dt.UTC)
    assert abs((told - registered).total_seconds()) < 1


@pytest.mark.parametrize(
    ("value", "cell", "found"),
    [
        ("2026-03-01", "date", dt.date(2026, 3, 1)),
        ("2026-03", "date", "2026-03"),
        ("2026-03-01", "text", "2026-03-01"),
        ("1900-02-28", "date", "1900-02-28"),
        (dt.date(1899, 12, 31), "date", "1899-12-31"),
        ("07:30", "time", dt.time(7, 30)),
        ("2026-03-01T07:30:00+08:00", "instant", dt.datetime.fromisoformat("2026-02-28T23:30")),
        ("1890-01-01T00:00:00+00:00", "instant", "1890-01-01T00:00:00+00:00"),
        (None, "date", None),
        (7, "number", 7),
    ],
)
def test_what_a_cell_holds(value, cell, found):
    assert typed(value, cell) == found


def test_a_table_longer_than_a_sheet_fails_and_loses_no_row_in_silence(operated, person, monkeypatch):
    from trialsite.exports import workbook

    monkeypatch.setattr(workbook, "_LAST", 2)
    statistician = person("statistician")
    snapshot = request_snapshot(actor=statistician, format="xlsx", purpose="too long")
    with pytest.raises(workbook.TooManyRows):
        write_snapshot(number=snapshot.pk)
    snapshot.refresh_from_db()
    assert snapshot.state == Snapshot.State.FAILED


def test_a_blinded_snapshot_tells_no_arm_in_either_format(operated, person, sealed, coordinator):
    enrollment.randomize(actor=coordinator, participant=operated, idempotency_key="blinded-0001")
    statistician = person("statistician")
    for kind in ("csv", "xlsx"):
        snapshot = written(statistician, kind, blinded=True)
        assert snapshot.shows_arms is False
        with zipfile.ZipFile(io.BytesIO(taken(statistician, snapshot.pk))) as archive:
            names, text = archive.namelist(), b"".join(archive.read(name) for name in archive.namelist())
        assert b"RFA_PVP" not in text
        assert b"SBRT" not in text
        assert "sbrt.csv" not in names
    page = Client()
    page.force_login(statistician)
    asked = page.post("/admin/exports/", {"format": "csv", "purpose": "blind review", "blinded": "on"})
    assert asked.status_code == 302
    with acting(statistician):
        assert Snapshot.objects.get(purpose="blind review").shows_arms is False


def test_later_data_do_not_change_a_snapshot(operated, person, site_a, coordinator, investigator):
    statistician = person("statistician")
    snapshot = written(statistician)
    walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    assert write_snapshot(number=snapshot.pk).sha256 == snapshot.sha256
    assert hashlib.sha256(taken(statistician, snapshot.pk)).hexdigest() == snapshot.sha256


def test_a_file_that_was_touched_is_not_given_out(operated, person, cluster, committed):
    statistician = person("statistician")
    snapshot = written(statistician)
    with psycopg.connect(cluster.url("postgres", committed)) as intruder:
        intruder.execute("SET session_replication_role = replica")
        intruder.execute("UPDATE exports_snapshotportion SET data = data || 'x'")
    with pytest.raises(Damaged):
        snapshot_file(actor=statistician, number=snapshot.pk)


def test_one_that_waits_is_not_given_out(operated, person):
    statistician = person("statistician")
    snapshot = request_snapshot(actor=statistician, format="csv", purpose="interim report")
    with pytest.raises(NotReady):
        snapshot_file(actor=statistician, number=snapshot.pk)


def test_one_that_still_waits_is_taken_up_and_after_a_day_given_up(operated, person, monkeypatch):
    from trialsite.exports import tasks

    sent: list[int] = []
    monkeypatch.setattr(tasks.write_snapshot, "delay", sent.append)
    statistician = person("statistician")
    snapshot = request_snapshot(actor=statistician, format="csv", purpose="interim report")
    sent.clear()  # the broker was not told, or the worker died
    assert (tasks.resume.run(), sent) == (0, [])
    for later, found in ((dt.timedelta(minutes=16), [snapshot.pk]), (dt.timedelta(hours=25), [])):
        sent.clear()
        with clock.pretend(clock.now() + later):
            tasks.resume.run()
        assert sent == found
    snapshot.refresh_from_db()
    assert snapshot.state == Snapshot.State.FAILED


def test_a_snapshot_is_for_those_who_could_export_all_of_it(operated, person, site_a, site_b, raw):
    everything = written(person("data_manager"))
    own = written(person("pi", site_a))
    assert snapshot_file(actor=person("statistician"), number=everything.pk)
    assert snapshot_file(actor=person("statistician"), number=own.pk)
    bytes_of = "SELECT count(*) > 0 FROM exports_snapshotportion WHERE snapshot_id = %s"
    for pi, sees in ((person("pi", site_a), True), (person("pi", site_b), False)):
        assert raw(bytes_of, own.pk, actor=pi) == [(sees,)]
        assert raw(bytes_of, everything.pk, actor=pi) == [(False,)]
        assert raw(bytes_of, own.pk) == [(False,)]
    assert zipfile.is_zipfile(io.BytesIO(taken(person("pi", site_a), own.pk)))
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
        for change in (
            "DELETE FROM exports_snapshotportion",
            "UPDATE exports_snapshotportion SET data = ''",
            "INSERT INTO exports_snapshotportion (created_at, snapshot_id, number, data)"
            f" VALUES (now(), {snapshot.pk}, 99, 'x')",
        ):
            owner.rollback()
            owner.execute("SELECT set_config('edc.actor', '1', true)")
            with pytest.raises(psycopg.errors.RestrictViolation):
                owner.execute(change)


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
        end_membership(actor=loader, membership=statistician.memberships.get(), reason="left")
    with pytest.raises(Forbidden):
        write_snapshot(number=snapshot.pk)
    snapshot.refresh_from_db()
    assert snapshot.state == Snapshot.State.FAILED


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_snapshot_asked_for_with_a_token_holds_what_the_token_allows(
    operated, person, site_a, site_b, kind
):
    """The worker has no token: without what was asked with, it read all hospitals of the token's owner."""
    team = {"coordinator": person("coordinator", site_b), "investigator": person("investigator", site_b)}
    elsewhere = walk("operated", site=site_b, **team)
    manager = person("data_manager")
    scopes = ["data.export", "participant.view", "record.view"]
    secret = issue_token(
        actor=manager,
        user=manager,
        name="A",
        valid_for=dt.timedelta(days=1),
        scopes=scopes,
        sites=[site_a.pk],
    )
    asked = Client(headers={"authorization": f"Token {secret}"}).post(
        "/api/v1/exports/snapshots/", {"format": kind, "purpose": "A alone"}, content_type="application/json"
    )
    assert asked.status_code == 202
    snapshot = write_snapshot(number=asked.json()["id"])
    assert (snapshot.sites, snapshot.shows_arms) == ([site_a.pk], False)
    text = everything_in(taken(person("pi", site_a), snapshot.pk))
    assert operated.code in text
    assert elsewhere.code not in text
    with acting(person("auditor")):
        by = Event.objects.filter(table_name="exports_snapshotportion", row_key__gt="").latest("id")
    assert by.session == f"token:{secret[:15]}"


def test_a_snapshot_is_not_written_once_its_token_has_ended(operated, person):
    manager = person("data_manager")
    secret = issue_token(actor=manager, user=manager, name="A", valid_for=dt.timedelta(days=1))
    asked = Client(headers={"authorization": f"Token {secret}"}).post(
        "/api/v1/exports/snapshots/", {"format": "csv", "purpose": "x"}, content_type="application/json"
    )
    end_token(actor=manager, token=Token.objects.get())
    with pytest.raises(Forbidden):
        write_snapshot(number=asked.json()["id"])


def test_a_hospital_gained_after_asking_is_not_in_the_snapshot(operated, person, site_a, site_b, loader):
    team = {"coordinator": person("coordinator", site_b), "investigator": person("investigator", site_b)}
    elsewhere = walk("operated", site=site_b, **team)
    pi = person("pi", site_a)
    snapshot = request_snapshot(actor=pi, format="csv", purpose="A alone")
    grant(actor=loader, user=pi, role="pi", site=site_b, reason="more to do")
    text = everything_in(taken(person("pi", site_a), write_snapshot(number=snapshot.pk).pk))
    assert operated.code in text
    assert elsewhere.code not in text


def everything_in(file):
    """All text of an archive, a workbook being one."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist()).decode()
