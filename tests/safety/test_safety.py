"""A serious adverse event: reported in time or late, told until it is, and the same on both forms."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from tests.conftest import ROOT
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import checks
from trialsite.casebook.rules import read_values
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.protocol.definition import Definition
from trialsite.protocol.expression import compiled
from trialsite.protocol.reader import read
from trialsite.safety import reminders, rules
from trialsite.staff.models import system_actor

AWARE = dt.datetime(2026, 3, 1, 8, 0, tzinfo=dt.UTC)
PERIODS = rules.Periods(24, 7, 15)
TRIAL = Definition.from_document(read(ROOT / "protocols" / "nct06756087")[0])
SAE = TRIAL.form("sae")


def data(**entries):
    return {
        name: {"value": value.isoformat() if isinstance(value, dt.datetime) else value}
        for name, value in entries.items()
    }


def case(told):
    assert TRIAL.safety
    return rules.Case.of(told, TRIAL.safety)


def after(**period):
    return AWARE + dt.timedelta(**period)


@pytest.mark.parametrize(
    ("entries", "now", "states"),
    [
        ({}, after(days=1), ("unknown", "unknown", "not_due")),
        (
            {"awareat": AWARE, "reportedat": after(hours=-2)},
            after(hours=1),
            ("contradicts", "running", "not_due"),
        ),
        (
            {"awareat": AWARE, "reportedat": AWARE, "onwardat": after(hours=-2)},
            after(hours=1),
            ("in_time", "contradicts", "not_due"),
        ),
        ({"awareat": AWARE}, after(hours=24), ("running", "running", "not_due")),
        ({"awareat": AWARE}, after(hours=24, seconds=1), ("overdue", "running", "not_due")),
        ({"awareat": AWARE, "reportedat": after(hours=24)}, after(days=9), ("in_time", "running", "not_due")),
        ({"awareat": AWARE, "reportedat": after(hours=25)}, after(days=17), ("late", "overdue", "not_due")),
        (
            {"awareat": AWARE, "criteria": ["death"]},
            after(days=7, seconds=1),
            ("overdue", "overdue", "running"),
        ),
        (
            {"awareat": AWARE, "criteria": ["life"]},
            after(days=15, seconds=1),
            ("overdue", "overdue", "overdue"),
        ),
        ({"awareat": AWARE, "saeout": "fatal"}, after(days=7, seconds=1), ("overdue", "overdue", "running")),
        ({"awareat": AWARE, "criteria": ["hospital"]}, after(days=15), ("overdue", "running", "not_due")),
        (
            {"awareat": AWARE, "reportedat": after(hours=1), "onwardat": after(hours=1, days=15)},
            after(days=30),
            ("in_time", "in_time", "not_due"),
        ),
    ],
)
def test_the_clocks(entries, now, states):
    assert tuple(one.state for one in rules.clocks(case(data(**entries)), PERIODS, now)) == states


@pytest.mark.parametrize(
    ("judged", "expedited"),
    [
        ({}, True),
        ({"saerel": "possible"}, True),
        ({"saerel": "probable", "expected": False}, True),
        ({"saerel": "definite", "expected": True}, False),
        ({"saerel": "unlikely", "expected": False}, False),
        ({"saerel": "none"}, False),
        ({"expected": True}, False),
    ],
)
def test_only_what_is_suspected_and_unexpected_goes_onward(judged, expedited):
    told = case(data(awareat=AWARE, criteria=["death"], **judged))
    late = after(days=99)
    states = tuple(one.state for one in rules.clocks(told, PERIODS, late))
    assert states == ("overdue", *(["overdue"] * 2 if expedited else ["not_due"] * 2))
    every = rules.Periods(24, 7, 15, every=True)
    assert [one.state for one in rules.clocks(told, every, late)] == ["overdue"] * 3


@pytest.mark.parametrize(
    ("entries", "stage"),
    [
        ({}, "running"),
        ({"awareat": AWARE}, "overdue"),
        ({"awareat": AWARE, "reportedat": after(hours=-2), "expected": True, "saeout": "fatal"}, "overdue"),
        ({"awareat": AWARE, "reportedat": AWARE, "expected": True}, "followed"),
        ({"awareat": AWARE, "reportedat": AWARE, "expected": True, "saeout": "recovering"}, "followed"),
        ({"awareat": AWARE, "reportedat": AWARE, "expected": True, "saeout": "recovered"}, "settled"),
        (
            {"awareat": AWARE, "reportedat": AWARE, "expected": True, "saeout": "fatal", "closedat": AWARE},
            "closed",
        ),
        ({"awareat": AWARE, "reportedat": AWARE, "saeout": "fatal", "closedat": AWARE}, "overdue"),
    ],
)
def test_the_stage_of_a_report(entries, stage):
    told = case(data(**entries))
    assert rules.stage(told, rules.clocks(told, PERIODS, after(days=20)), after(days=20)) == stage


EVENT = {"aeser": True, "aestdat": "2026-03", "aeout": "recovered", "aeterm": "Sepsis"}
REPORT = {"saeno": "1", "saestdat": "2026-03-01", "saeout": "recovered", "saeterm": "sepsis "}


@pytest.mark.parametrize(
    ("events", "reports", "codes"),
    [
        ({1: EVENT}, {1: REPORT}, []),
        ({1: EVENT}, {}, ["report_missing"]),
        ({}, {1: REPORT}, ["event_missing"]),
        ({1: EVENT}, {1: REPORT | {"saeno": None}}, ["names_no_event", "report_missing"]),
        ({1: EVENT | {"aeser": False}}, {1: REPORT}, ["not_marked_serious"]),
        ({1: EVENT | {"aestdat": "2026-02-28"}}, {1: REPORT}, ["onset_differs"]),
        ({1: EVENT | {"aeout": "fatal"}}, {1: REPORT}, ["outcome_differs"]),
        ({1: EVENT | {"aeterm": "fever"}}, {1: REPORT}, ["term_differs"]),
        ({1: EVENT}, {1: REPORT, 2: REPORT}, ["reported_twice"]),
    ],
)
def test_what_the_two_forms_tell_differently(events, reports, codes):
    assert TRIAL.safety
    found = rules.differences(
        {number: rules.AdverseEvent.of(data(**one), TRIAL.safety) for number, one in events.items()},
        {number: case(data(**one)) for number, one in reports.items()},
    )
    assert [one.code for one in found] == codes


def test_a_report_is_told_before_it_is_due_and_then_up_the_ladder_until_it_is_made(
    committed, site_a, coordinator, investigator, person, trial_manager
):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    head = person("pi", site_a)
    now = clock.now()
    planner = system_actor("system.reminders")
    here: dict[str, Any] = {"participant": participant, "event": "LOG"}
    today = clock.today(site_a.timezone).isoformat()

    def planned(**later):
        """Who is told of what by a further round, and the text for the last of them."""
        with acting(planner):
            known = set(Message.objects.values_list("pk", flat=True))
        then = clock.now() + dt.timedelta(**later)
        reminders.plan(actor=planner, now=then)
        with acting(planner):
            new = list(Message.objects.filter(kind="sae").exclude(pk__in=known).order_by("pk"))
            text = reminders.resolve(new[-1], then) if new else None
        return [(one.recipient, one.payload["clock"], one.payload["phase"]) for one in new], text

    to_coordinator, to_head, to_manager = (f"user:{one.pk}" for one in (coordinator, head, trial_manager))

    # Marked serious: nothing runs yet, and still somebody is told.
    event = {"aestdat": today, "aeterm": "sepsis", "aeser": True}
    save_record(actor=coordinator, **here, form="adverse_event", values=event, complete=False)
    told, text = planned()
    assert told == [(to_coordinator, "report", "open")]
    assert isinstance(text, Send)
    assert text.subject == f"Report missing: {participant.code}"
    assert "sepsis" not in text.body

    # Reported without the time of awareness, all other times entered as missing.
    values: dict[str, Any] = {
        name: {"missing": "unknown"} for name in ("reportedat", "onwardat", "completeat")
    }
    values |= {"saestdat": today, "saeterm": "sepsis", "saeno": "1", "criteria": ["hospital"]}
    report: dict[str, Any] = {**here, "form": "sae", "complete": False, "reason": "entered"}
    save_record(actor=coordinator, **report, values=values)
    told, text = planned()
    assert told == [(to_coordinator, "awareness", "open")]
    assert isinstance(text, Send)
    with acting(planner):
        first = Message.objects.get(payload__clock="report")
        assert isinstance(reminders.resolve(first, now), Cancel)

    # Known for 18 hours and 1 minute: six hours are left; then the period runs out.
    values["awareat"] = (now - dt.timedelta(hours=18, minutes=1)).isoformat(timespec="minutes")
    save_record(actor=coordinator, **report, values=values, expected_version=1)
    told, text = planned()
    assert told == [(to_coordinator, "to_sponsor", "soon")]
    assert isinstance(text, Send)
    assert text.subject == f"Due soon: report to the sponsor, {participant.code}"
    assert planned() == ([], None)
    assert planned(hours=6)[0] == [(to_coordinator, "to_sponsor", "open")]
    with acting(planner):
        soon = Message.objects.get(payload__phase="soon")
        assert reminders.resolve(soon, now + dt.timedelta(hours=6)) == reminders._RUN_OUT
    assert planned(hours=18)[0] == [(to_head, "to_sponsor", "open")]
    assert planned(hours=30)[0] == [(to_manager, "to_sponsor", "open")]

    client = Client()
    client.force_login(coordinator)
    shown = client.get("/api/v1/safety/").json()
    assert shown[0]["stage"] == "running"
    assert [one["state"] for one in shown[0]["clocks"]] == ["running", "running", "not_due"]

    # A time before awareness is no report, and its text says so; a possible one ends it.
    with acting(planner):
        last = Message.objects.filter(kind="sae").latest("pk")
    values["reportedat"] = (now - dt.timedelta(hours=19)).isoformat(timespec="minutes")
    save_record(actor=coordinator, **report, values=values, expected_version=2)
    with acting(planner):
        text = reminders.resolve(last, now + dt.timedelta(hours=30))
    assert isinstance(text, Send)
    assert text.subject == f"Times contradict: report to the sponsor, {participant.code}"
    values["reportedat"] = now.isoformat(timespec="seconds")
    save_record(actor=coordinator, **report, values=values, expected_version=3)
    with acting(planner):
        assert reminders.resolve(last, now + dt.timedelta(hours=30)) == reminders._REPORTED


HERE = dt.datetime(2026, 3, 2, 12, 0, 30, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-03-02T12:00:30+08:00", "2026-03-02T12:00:30+08:00"),
        ("2026-03-02T12:01:00+08:00", None),
        ("2026-03-02T23:00:00+08:00", None),
        # The same instant by other clocks: tomorrow there, yesterday there.
        ("2026-03-03T00:30:00+14:00", None),
        ("2026-03-02T17:30:00+14:00", "2026-03-02T11:30:00+08:00"),
        ("2026-03-01T23:30:00-10:00", None),
        ("2026-03-01T16:30:00+00:00", "2026-03-02T00:30:00+08:00"),
    ],
)
def test_an_instant_is_the_hospitals_and_never_in_the_future(text, stored):
    found = read_values(SAE, {"awareat": text}, now=HERE, complete=False)
    assert {name: fault.code for name, fault in found.faults.items()} == (
        {} if stored else {"awareat": "future_instant"}
    )
    assert found.data.get("awareat") == ({"value": stored} if stored else None)


@pytest.mark.parametrize(
    ("aware", "reported", "asked"),
    [
        ("2026-03-01T10:00:00+08:00", "2026-03-01T09:59:00+08:00", True),
        ("2026-03-01T10:00:30+08:00", "2026-03-01T10:00:00+08:00", False),
        ("2026-03-01T10:00:30+08:00", "2026-03-01T10:00:45+08:00", False),
        ("2026-03-01T10:00:00+08:00", "2026-03-01T02:30:00+00:00", False),
        ("2026-03-02T00:10:00+08:00", "2026-03-01T16:05:00+00:00", True),
    ],
)
def test_instants_are_compared_and_not_their_days(aware, reported, asked):
    found = read_values(SAE, {"awareat": aware, "reportedat": reported}, now=HERE, complete=False)
    facts = checks.own_facts(SAE, found.data)
    ids = [one.check_id for one in checks.questions(SAE, found.data, facts, lambda text: compiled(text, {}))]
    assert ids == (["reported_before_aware"] if asked else [])
    state = rules.clocks(case(found.data), PERIODS, HERE)[0].state
    assert state == ("contradicts" if asked else "in_time")


def test_another_hospital_sees_none_of_it(committed, site_a, coordinator, investigator, coordinator_b):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    values = {"saestdat": clock.today(site_a.timezone).isoformat(), "saeterm": "sepsis"}
    here: dict[str, Any] = {"participant": participant, "event": "LOG", "form": "sae"}
    save_record(actor=coordinator, **here, values=values, complete=False)
    client = Client()
    client.force_login(coordinator_b)
    assert client.get("/api/v1/safety/").json() == []
    assert client.get("/api/v1/safety/reconciliation/").json() == []


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"deficiency": False}, []),
        ({"deficiency": True}, ["deficiency_untold"]),
        ({"deficiency": True, "deftxt": "Needle bent", "defharm": False}, []),
        (
            {"deficiency": True, "deftxt": "Needle broke", "defharm": True},
            ["harmful_deficiency_not_reported"],
        ),
        (
            {
                "deficiency": True,
                "deftxt": "Needle broke",
                "defharm": True,
                "defdat": "2026-03-02",
                "defreported": "2026-03-01",
            },
            ["reported_before_noticed"],
        ),
    ],
)
def test_a_deficiency_of_a_device_is_described_and_a_dangerous_one_reported(told, asked):
    form = TRIAL.form("device")
    found = read_values(form, {"dudat": "2026-03-01", **told}, now=HERE, complete=False)
    assert not found.faults
    facts = checks.own_facts(form, found.data)
    ids = [one.check_id for one in checks.questions(form, found.data, facts, lambda text: compiled(text, {}))]
    assert ids == asked
