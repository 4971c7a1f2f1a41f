"""Rows from a file: checked like a hand's entries, saved one by one, never twice, never by halves."""

import datetime as dt
import json

import pytest

from tests.casebook.hostile import ENTRIES, TEXTS, TYPES, harmless
from tests.imports.conftest import as_lines, as_text, brought_in, client_of, post, table
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook import limits
from trialsite.casebook.models import Query, Record
from trialsite.core import clock
from trialsite.imports import tasks, working
from trialsite.imports.models import Import, ImportFile
from trialsite.staff.models import system_actor
from trialsite.staff.services import end_membership, grant

TODAY = clock.today("Asia/Shanghai")
HEAD = "participant,event,repeat,state,aestdat,aeterm,aetoxgr,aeser\n"


def events(participant, *lines):
    """A CSV of adverse events of one participant."""
    rows = (f"{participant.code},LOG,{number},complete,{line}" for number, line in enumerate(lines, start=1))
    return HEAD + "\n".join(rows) + "\n"


def states(user):
    with acting(user):
        return {
            (record.participant.code, record.form, record.repeat): (record.version, record.data)
            for record in Record.objects.select_related("participant")
        }


def test_rows_of_a_csv_become_records_with_their_trail_and_their_queries(empty, coordinator, person):
    text = events(empty, f"{TODAY},fever,2,N", f"{TODAY},sepsis,5,N")
    found, faults = brought_in(coordinator, form="adverse_event", csv=text)
    assert (found.state, found.saved, found.refused, faults) == ("done", 2, 0, [])
    with acting(coordinator):
        assert Query.objects.get().check_id == "grade_5_not_serious"
    auditor = person("auditor")
    with acting(auditor):
        trail = Event.objects.filter(table_name="casebook_record", action="insert").latest("pk")
    assert trail.actor_id == coordinator.pk
    assert trail.reason == f"from the diary (import {found.pk}, {found.sha256[:16]}), row 2"


def test_the_same_file_again_changes_nothing(empty, coordinator):
    text = events(empty, f"{TODAY},fever,2,N", f"{TODAY},pain,1,N")
    brought_in(coordinator, form="adverse_event", csv=text)
    before = states(coordinator)
    again, faults = brought_in(coordinator, form="adverse_event", csv=text)
    assert (again.saved, again.unchanged, faults) == (0, 2, [])
    assert states(coordinator) == before


def test_a_file_that_waits_is_not_taken_in_twice(empty, coordinator):
    text = events(empty, f"{TODAY},fever,2,N")
    first = post(coordinator, form="adverse_event", csv=text)
    second = post(coordinator, form="adverse_event", csv=text)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_dry_run_says_what_would_happen_and_leaves_nothing(empty, coordinator):
    text = events(empty, f"{TODAY},fever,2,N", f"{TODAY},pain,9,maybe")
    before = states(coordinator)
    found, faults = brought_in(coordinator, form="adverse_event", csv=text, dry_run=True)
    assert (found.saved, found.refused, [one.row for one in faults]) == (1, 1, [2])
    assert states(coordinator) == before
    with acting(coordinator):
        assert not Query.objects.exists()


def test_all_faults_of_all_rows_are_told_at_once(empty, coordinator):
    lines = ["2199-01-01,fever,9,N", f"{TODAY},,x,N", f"{TODAY},fever,2,N"]
    found, faults = brought_in(coordinator, form="adverse_event", csv=events(empty, *lines))
    assert (found.saved, found.refused) == (1, 2)
    assert [(one.row, sorted(one.fields)) for one in faults] == [
        (1, ["aestdat", "aetoxgr"]),
        (2, ["aeterm", "aetoxgr"]),
    ]
    answer = client_of(coordinator).get(f"/api/v1/imports/{found.pk}/faults/").json()["results"]
    told = {one["row"]: one for one in answer}
    assert told[1]["participant"] == empty.code
    assert "1 to 5" in told[1]["fields"]["aetoxgr"][0]


def test_a_complete_record_changes_from_the_version_that_the_file_saw(empty, coordinator, person):
    brought_in(coordinator, form="adverse_event", csv=events(empty, f"{TODAY},fever,2,N"))
    lines = as_lines(table(person("statistician"), "adverse_event"))
    lines[0]["aetoxgr"] = "3"
    changed, faults = brought_in(coordinator, form="adverse_event", csv=as_text(lines))
    assert (changed.saved, faults) == (1, [])
    lines[0]["aetoxgr"] = "4"
    _, faults = brought_in(coordinator, form="adverse_event", csv=as_text(lines))
    assert [one.code for one in faults] == ["version_conflict"]


def test_columns_that_the_file_lacks_stay_and_empty_cells_take_away(empty, coordinator):
    brought_in(coordinator, form="adverse_event", csv=events(empty, f"{TODAY},fever,2,N"))
    more = f"participant,event,record_version,aeacn,aeendat\n{empty.code},LOG,1,cooled,{TODAY}\n"
    assert brought_in(coordinator, form="adverse_event", csv=more)[0].saved == 1
    less = f"participant,event,record_version,aeacn\n{empty.code},LOG,2,\n"
    assert brought_in(coordinator, form="adverse_event", csv=less)[0].saved == 1
    with acting(coordinator):
        data = Record.objects.get(form="adverse_event").data
    assert "aeacn" not in data
    assert (data["aeterm"]["value"], data["aeendat"]["value"]) == ("fever", TODAY.isoformat())


def test_a_number_comes_in_its_canonical_unit_or_as_entered_and_both_must_agree(empty, coordinator):
    head = "participant,event,state,lbdat,source,hgb,hgb__entered,hgb__unit\n"
    rows = {
        "124,,": None,
        "124,12.4,g/dL": None,
        ",12.4,g/dL": None,
        "124,13.4,g/dL": "hgb",
        "12.4,,g/dL": "hgb__unit",
        "124,124,stone": "hgb",
        ",,g/dL": "hgb",
        "NaN,,": "hgb",
    }
    for number, (cells, at_fault) in enumerate(rows.items()):
        text = f"{head}{empty.code},SCR,draft,{TODAY - dt.timedelta(days=1)},study,{cells}\n"
        found, faults = brought_in(coordinator, form="labs", csv=text, dry_run=True, reason=f"try {number}")
        assert [list(one.fields) for one in faults] == ([[at_fault]] if at_fault else []), cells
        assert found.saved == (at_fault is None), cells


def test_an_exported_limit_that_was_entered_by_hand_stays_so_where_the_register_says_the_same_by_now(
    committed, site_a, coordinator, investigator, person
):
    """It took a new version of a complete record, and with it the signatures over it."""
    screened = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    limits.enter(
        actor=coordinator,
        site=site_a,
        definition=screened.protocol_version.definition,
        form="labs",
        item="ast",
        value="40",
        unit="U/L",
        valid_from=TODAY - dt.timedelta(days=300),
        source="report of the laboratory",
    )
    lines = as_lines(table(person("data_manager"), "labs"))
    assert [line["ast__uln"] for line in lines] == ["40"]
    found, _faults = brought_in(coordinator, form="labs", csv=as_text(lines))
    assert (found.saved, found.unchanged) == (0, len(lines))


def test_nobody_reaches_another_hospital_by_a_file(empty, coordinator, coordinator_b, site_b, person):
    theirs = walk(
        "consented", site=site_b, coordinator=coordinator_b, investigator=person("investigator", site_b)
    )
    found, faults = brought_in(coordinator, form="adverse_event", csv=events(theirs, f"{TODAY},fever,2,N"))
    assert (found.saved, [(one.code, one.fields) for one in faults]) == (
        0,
        [("not_found", {"participant": ["You have no participant of this code."]})],
    )
    assert client_of(coordinator_b).get(f"/api/v1/imports/{found.pk}/").status_code == 404
    assert client_of(coordinator_b).get(f"/api/v1/imports/{found.pk}/faults/").status_code == 404


def test_a_token_for_one_hospital_reaches_no_other_by_a_file(committed, empty, site_a, site_b, person):
    """The worker has no token in its hand: what it may reach was written down when the file came."""
    both = person("coordinator", site_b)
    loader = system_actor("system.loader")
    with acting(loader):
        grant(actor=loader, user=both, role="coordinator", site=site_a, reason="more to do")
    both = type(both).objects.get(pk=both.pk)
    found, _ = brought_in(both, form="adverse_event", csv=events(empty, f"{TODAY},x,1,N"), dry_run=True)
    assert found.saved == 1
    with acting(both):
        narrowed = Import.objects.create(
            requested_by=both,
            form="adverse_event",
            format="csv",
            sha256="0" * 64,
            dry_run=False,
            reason="by a token",
            sites=[site_b.pk],
            rows=1,
        )
        ImportFile.objects.create(of=narrowed, content=events(empty, f"{TODAY},x,1,N").encode())
    working.work_off(actor=both, number=narrowed.pk)
    with acting(both):
        assert [one.code for one in narrowed.faults.all()] == ["not_found"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"csv": ""}, "csv"),
        ({"csv": "participant,event\n\x00,SCR\n"}, "csv"),
        ({"csv": "participant,event\n"}, "csv"),
        ({"csv": "participant,event,colour\n1,2,3\n"}, "csv"),
        ({"csv": "participant,event,aeterm,aeterm\n1,2,3,4\n"}, "csv"),
        ({"csv": "participant,aeterm\n1,2\n"}, "csv"),
        ({"csv": 'participant,event\n"1,2\n'}, "csv"),
        ({"csv": "participant,event\n" + "x" * 200_000 + ",2\n"}, "csv"),
        ({"csv": "participant,event\n" + "1,2\n" * 10_001}, "csv"),
        ({"rows": []}, "rows"),
        ({"rows": "many"}, "rows"),
        ({"csv": "participant,event\n1,2\n", "rows": [{}]}, "csv"),
        ({}, "csv"),
        ({"rows": [{}], "reason": " "}, "reason"),
        ({"rows": [{"values": {"aeterm": "\ud800"}, "participant": 7}], "form": ""}, "form"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_as_a_whole(empty, coordinator, body, field):
    answer = post(coordinator, **({"form": "adverse_event"} | body))
    assert answer.status_code == 422, answer.content
    assert field in answer.json()["fields"]
    with acting(coordinator):
        assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("form", "status"), [("nothing", 404), ("surgery", 409), ("withdrawal", 409), ("%", 404)]
)
def test_forms_that_are_not_filled_by_files(empty, coordinator, form, status):
    assert post(coordinator, form=form, rows=[{}]).status_code == status


def test_whoever_may_not_see_arms_brings_no_sbrt_in(empty, assessor):
    assert post(assessor, form="fraction", rows=[{}]).status_code in (404, 409)
    assert post(assessor, form="sbrt", rows=[{}]).status_code in (404, 409)


def test_a_csv_may_be_the_body_itself(empty, coordinator):
    text = "\ufeff" + events(empty, f"{TODAY},fever,2,N").replace("\n", "\r\n")
    client = client_of(coordinator)
    address = "/api/v1/imports/?form=adverse_event&reason=diary&dry_run=true"
    answer = client.generic("POST", address, text.encode(), "text/csv")
    assert (answer.status_code, answer.json()["dry_run"]) == (202, True)
    done = working.work_off(actor=coordinator, number=answer.json()["id"])
    assert done and done.saved == 1
    assert client.generic("POST", address, b"\xff\xfe", "text/csv").status_code == 400
    assert 400 <= client.generic("POST", address, b"x" * 3_000_000, "text/csv").status_code < 500


HOSTILE = [
    "participant", 7, None, [], {"participant": None}, {"participant": {"a": 1}, "event": []},
    {"participant": "\x00", "event": "SCR"}, {"participant": "x" * 999, "event": "SCR"},
    {"participant": "HERE", "event": "\ud800"}, {"participant": "HERE", "event": "NOWHERE", "values": {}},
    {"participant": "HERE", "event": "LOG", "values": []}, {"participant": "HERE", "event": "LOG"},
    {"participant": "HERE", "event": "LOG", "repeat": 0, "values": {}},
    {"participant": "HERE", "event": "LOG", "repeat": -1, "values": {}},
    {"participant": "HERE", "event": "LOG", "repeat": True, "values": {}},
    {"participant": "HERE", "event": "LOG", "repeat": 10**40, "values": {}},
    {"participant": "HERE", "event": "LOG", "repeat": "1e3", "values": {}},
    {"participant": "HERE", "event": "LOG", "record_version": 1.5, "values": {}},
    {"participant": "HERE", "event": "LOG", "state": "signed", "values": {}},
    {"participant": "HERE", "event": "LOG", "colour": "red", "values": {}},
    {"participant": "HERE", "event": "LOG", "values": {"w\x00bc": 1}},
]  # fmt: skip


def test_hostile_rows_are_refused_each_by_itself(empty, coordinator):
    rows = json.loads(json.dumps(HOSTILE).replace("HERE", empty.code))
    before = states(coordinator)
    found, faults = brought_in(coordinator, form="adverse_event", rows=rows)
    assert (found.done, found.refused) == (len(rows), len(rows))
    assert "defect" not in {one.code for one in faults}
    assert states(coordinator) == before


@pytest.mark.parametrize(("event", "form"), TYPES)
def test_hostile_entries_of_every_type_are_refused_by_name_or_harmless(empty, coordinator, event, form):
    rows, expected = [], []
    for entry in ENTRIES:
        for item, kind in TYPES[event, form].items():
            values = {item: entry}
            rows.append({"participant": empty.code, "event": event, "state": "draft", "values": values})
            expected.append([] if harmless(kind, entry) else [item])
    found, faults = brought_in(coordinator, form=form, rows=rows, dry_run=True)
    assert found.done == len(rows)
    assert {one.code for one in faults} <= {"values_refused"}
    told = {one.row: sorted(one.fields) for one in faults}
    assert [told.get(number, []) for number in range(1, len(rows) + 1)] == expected


@pytest.mark.parametrize(("event", "form"), TYPES)
def test_hostile_cells_of_every_type_are_refused_by_name_or_harmless(empty, coordinator, event, form):
    cells = [
        (item, text, [] if harmless(kind, text) else [item])
        for text in TEXTS
        for item, kind in TYPES[event, form].items()
        if kind != "multichoice" and text != "\x00"
    ]
    lines = [
        {"participant": empty.code, "event": event, "state": "draft"}
        | {name: text if name == item else "" for name in TYPES[event, form] if name != "levels"}
        for item, text, _fault in cells
    ]
    found, faults = brought_in(coordinator, form=form, csv=as_text(lines), dry_run=True)
    assert found.done == len(cells)
    told = {one.row: sorted(one.fields) for one in faults}
    assert [told.get(number, []) for number in range(1, len(cells) + 1)] == [fault for *_, fault in cells]


def test_a_person_whose_role_ended_saves_no_further_row(empty, coordinator):
    answer = post(coordinator, form="adverse_event", csv=events(empty, f"{TODAY},fever,2,N"))
    loader = system_actor("system.loader")
    with acting(loader):
        end_membership(actor=loader, membership=coordinator.memberships.get(), reason="left the hospital")
    fresh = type(coordinator).objects.get(pk=coordinator.pk)
    stopped = working.work_off(actor=fresh, number=answer.json()["id"])
    assert stopped and (stopped.state, stopped.done) == ("stopped", 0)


def test_what_waits_is_taken_up_by_the_next_round(empty, coordinator, monkeypatch):
    number = post(coordinator, form="adverse_event", csv=events(empty, f"{TODAY},fever,2,N")).json()["id"]
    monkeypatch.setattr(tasks.work_off, "delay", lambda number, actor: tasks.work_off(number, actor))
    assert tasks.resume() == 1
    with acting(coordinator):
        assert Import.objects.get(pk=number).state == "done"
    assert tasks.resume() == 0
