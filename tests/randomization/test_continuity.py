"""A database brought back from a backup allocates nothing until two people have entered the last mailed head."""

import json
import os
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client

from randomization import continuity, witness
from randomization.errors import (
    HeadDiffers,
    LedgerBehind,
    LedgerBroken,
    NothingToAttest,
    NotRevealed,
    OtherEnvironment,
    WitnessMissing,
)
from randomization.exporting import sealed_export
from randomization.models import Era, Scheme
from randomization.services import install_list
from randomization.verification import verify
from tests.conftest import make_person
from tests.path import walk
from tests.randomization.stories import allocated, as_superuser, made_list
from trialsite.audit.context import acting
from trialsite.core.errors import Forbidden
from trialsite.runtime import dumps
from trialsite.staff.models import system_actor


@pytest.fixture
def kept(committed, settings, tmp_path, team_a, loader):
    """An installed list with a witness beside it, and four participants."""
    settings.WITNESS_FILE = str(tmp_path / "other volume" / "ledger.jsonl")
    install_list(actor=loader, document=made_list(), total_cap=120)
    return [walk("registered", **team_a) for _ in range(4)]


def lines(settings):
    with open(settings.WITNESS_FILE, encoding="utf-8") as file:  # noqa: PTH123
        return [json.loads(line) for line in file if line.strip()]


def restored(cluster, name, file):
    connections.close_all()
    dumps.restore(cluster.url("edc_owner", name), file)


def backed_up(cluster, name, file):
    dumps.backup(cluster.url("edc_owner", name), file)
    return file


def test_every_head_is_on_the_witness_once_it_is_committed(kept, settings, team_a, loader):
    mailed = [allocated(team_a, person) for person in kept[:3]]
    told = lines(settings)
    assert told[0]["begins"]
    assert [(line["position"], line["head"]) for line in told[1:]] == [
        (outcome.position, outcome.ledger_head) for outcome in mailed
    ]


def test_an_old_backup_is_noticed_and_not_to_be_talked_over(
    kept, settings, committed, cluster, team_a, tmp_path, statistician, trial_manager, loader
):
    for person in kept[:2]:
        allocated(team_a, person)
    old = backed_up(cluster, committed, tmp_path / "old.dump")
    with acting(loader):
        before = Scheme.objects.get()
    lost = allocated(team_a, kept[2])
    restored(cluster, committed, old)
    with pytest.raises(LedgerBroken, match="later allocations"):
        allocated(team_a, kept[3])
    for actor in (statistician, trial_manager):
        with pytest.raises(LedgerBehind):
            continuity.attest(actor=actor, position=lost.position, head=lost.ledger_head)
        # The mail before, which is tried next.
        with pytest.raises(LedgerBehind):
            continuity.attest(actor=actor, position=before.position, head=before.head)
    assert continuity.standing(actor=statistician).attested_by == ()
    with pytest.raises(LedgerBroken):
        allocated(team_a, kept[3])


def test_a_whole_backup_goes_on_with_the_word_of_two(
    kept, settings, committed, cluster, team_a, tmp_path, statistician, trial_manager, loader, coordinator
):
    last = [allocated(team_a, person) for person in kept[:3]][-1]
    whole = backed_up(cluster, committed, tmp_path / "whole.dump")
    restored(cluster, committed, whole)
    # The same volume is lost too: nothing is left to say whether the backup is the newest.
    Path(settings.WITNESS_FILE).unlink()
    with pytest.raises(LedgerBroken, match="missing"):
        allocated(team_a, kept[3])
    with pytest.raises(Forbidden):
        continuity.attest(actor=coordinator, position=last.position, head=last.ledger_head)
    said = {"position": last.position, "head": last.ledger_head}
    with pytest.raises(HeadDiffers):
        continuity.attest(actor=statistician, position=last.position, head="0" * 64)
    for _ in range(2):
        assert continuity.attest(actor=statistician, **said).why, (
            "one person's word is not enough, said twice"
        )
    with pytest.raises(LedgerBroken):
        allocated(team_a, kept[3])
    client = Client()
    client.force_login(trial_manager)
    shown = client.get("/admin/randomization/attest/").content.decode()
    assert statistician.full_name in shown
    assert last.ledger_head not in shown
    answer = client.post("/admin/randomization/attest/", said)
    assert answer.status_code == 302, answer.content.decode()
    assert allocated(team_a, kept[3]).position == 4
    assert verify(actor=loader) == []
    assert [(line["position"], line.get("begins", False)) for line in lines(settings)] == [
        (3, True),
        (4, False),
    ]
    with pytest.raises(NothingToAttest):
        continuity.attest(actor=statistician, **said)


def test_another_server_or_timeline_is_noticed_by_service_and_database(
    kept, cluster, committed, team_a, loader
):
    allocated(team_a, kept[0])
    for change in ("cluster = '42'", "timeline = timeline + 1"):
        as_superuser(cluster, "CREATE TABLE IF NOT EXISTS kept_era AS TABLE randomization_era")
        as_superuser(cluster, f"UPDATE randomization_era SET {change}")
        with pytest.raises(LedgerBroken, match="backup"):
            allocated(team_a, kept[1])
        as_superuser(
            cluster,
            "DELETE FROM randomization_era",
            "INSERT INTO randomization_era SELECT * FROM kept_era",
        )
    assert allocated(team_a, kept[1]).position == 2


def test_a_witness_of_another_ledger_or_one_that_cannot_be_written_stops_allocation(
    kept, settings, team_a, loader
):
    allocated(team_a, kept[0])
    file = Path(settings.WITNESS_FILE)
    whole = file.read_text()
    file.write_text(whole.replace(lines(settings)[-1]["head"], "0" * 64))
    with pytest.raises(LedgerBroken, match="another ledger"):
        allocated(team_a, kept[1])
    file.write_text("")
    with pytest.raises(LedgerBroken, match="missing"):
        allocated(team_a, kept[1])
    # A line that a crash cut short, and one of somebody else's trial, are passed over.
    other = json.dumps({"trial": "OTHER", "environment": "demo", "position": 99, "head": "f" * 64})
    file.write_text(f'{whole}{other}\n[1]\n{{"trial": "NCT0675')
    assert allocated(team_a, kept[1]).position == 2


def test_a_witness_that_lags_behind_is_held_against_the_row_of_its_position(kept, settings, team_a, loader):
    """It is behind where it could not be written after a commit; another ledger's must not pass for that."""
    for person in kept[:2]:
        allocated(team_a, person)
    file = Path(settings.WITNESS_FILE)
    told = lines(settings)
    for position in (0, 1):
        line = next(line for line in told if line["position"] == position)
        file.write_text(json.dumps(line | {"head": "0" * 64}))
        with pytest.raises(LedgerBroken, match="another ledger"):
            allocated(team_a, kept[2 + position])
        file.write_text(json.dumps(line))
        assert allocated(team_a, kept[2 + position]).position == 3 + position


def test_a_line_that_a_full_disk_cut_short_hides_no_other(kept, settings, team_a, monkeypatch, caplog):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:-90]))
    assert allocated(team_a, kept[0]).position == 1
    assert "cannot be written" in caplog.text
    monkeypatch.undo()
    second = allocated(team_a, kept[1])
    seen = witness.last("NCT06756087", "demo")
    assert seen == witness.Head("NCT06756087", "demo", 2, second.ledger_head), (
        "in spite of what stands before"
    )


def test_the_furthest_head_is_found_among_lines_of_servers_that_append_out_of_order(settings, tmp_path):
    """Sixty-four threads may have committed before the first of them appends; an era that begins ends what was."""
    file = tmp_path / "ledger.jsonl"
    settings.WITNESS_FILE = str(file)

    def line(position: int, **more: object) -> str:
        said = {
            "trial": "NCT06756087",
            "environment": "demo",
            "position": position,
            "head": f"{position:064x}",
        }
        return json.dumps(said | more)

    def found() -> int | None:
        head = witness.last("NCT06756087", "demo")
        return head.position if head else None

    late = [line(position) for position in range(1, 100)] + [line(163), *map(line, range(100, 163))]
    file.write_text("\n".join(late))
    assert found() == 163
    file.write_text("\n".join([*late, line(7, begins=True), line(9), line(8)]))
    assert found() == 9
    file.write_text("\n".join([*late, line(7, begins=True)]))
    assert found() == 7


def test_a_list_is_not_installed_where_its_witness_cannot_be_begun(
    committed, settings, tmp_path, statistician
):
    (tmp_path / "a file").touch()
    settings.WITNESS_FILE = str(tmp_path / "a file" / "ledger.jsonl")
    with pytest.raises(WitnessMissing, match="Nothing was stored"):
        install_list(actor=statistician, document=made_list())
    with acting(statistician):
        assert not Scheme.objects.exists()


def test_a_word_that_cannot_be_witnessed_begins_no_era(
    kept, settings, tmp_path, team_a, statistician, trial_manager
):
    last = allocated(team_a, kept[0])
    settings.WITNESS_FILE = str(tmp_path / "a file" / "ledger.jsonl")
    (tmp_path / "a file").touch()
    said = {"position": last.position, "head": last.ledger_head}
    continuity.attest(actor=statistician, **said)
    client = Client()
    client.force_login(trial_manager)
    answer = client.post("/api/v1/randomization/attestations/", said, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (503, "witness_missing")
    (tmp_path / "a file").unlink()
    continuity.attest(actor=trial_manager, **said)
    assert continuity.standing(actor=trial_manager).why == ""


def test_a_database_that_stands_under_another_environment_allocates_nothing(
    kept, settings, team_a, statistician, loader
):
    """A production database beside a server that calls itself a demo: neither rows nor the specification."""
    assert (
        continuity.ready()
        == "ok, but fewer than two people get the mails that a restored ledger is attested by"
    )
    make_person("trial_manager")
    assert continuity.ready() == "ok"
    settings.TRIALSITE_ENV = "training"
    with pytest.raises(OtherEnvironment, match="demo"):
        allocated(team_a, kept[0])
    assert continuity.ready() == "the list is of the environment demo"
    assert settings.READINESS["list"] == "randomization.continuity.ready"


def test_a_production_list_is_not_exported_early_under_another_environment(kept, cluster, statistician):
    as_superuser(cluster, "UPDATE randomization_scheme SET environment = 'prod'")
    with pytest.raises(NotRevealed):
        sealed_export(actor=statistician)


def test_an_allocation_stands_when_the_witness_fails_after_the_commit(
    kept, team_a, loader, monkeypatch, caplog
):
    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(witness, "append", broken)
    assert allocated(team_a, kept[0]).position == 1
    assert "witness" in caplog.text
    with acting(loader):
        assert Scheme.objects.get().position == 1


def test_nobody_begins_an_era_alone_by_bare_sql(kept, raw, statistician, team_a):
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation, match="two people"):
        raw(
            "INSERT INTO randomization_era (created_at, scheme_id, number, cluster, timeline, position, head)"
            " SELECT now(), c.id, 2, n.cluster, n.timeline, c.position, c.head"
            " FROM randomization_scheme c, edc_circumstances() n RETURNING id",
            actor=statistician,
        )
    with acting(system_actor("system.loader")):
        assert Era.objects.count() == 1


def test_people_who_may_attest_read_over_rest_why_allocation_rests(kept, settings, team_a, site_a):
    Path(settings.WITNESS_FILE).unlink()
    client = Client()
    client.force_login(make_person("pi", site_a))
    answer = client.get("/api/v1/randomization/attestations/").json()
    assert set(answer) == {"why", "attested_by"}
    assert "witness" in answer["why"]
