"""A serious adverse event: reported in time or late, told until it is, and the same on both forms."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.safety import reminders, rules
from trialsite.staff.models import system_actor

AWARE = dt.datetime(2026, 3, 1, 8, 0, tzinfo=dt.UTC)
PERIODS = rules.Periods(24, 7, 15)


def data(**entries):
    return {
        name: {"value": value.isoformat() if isinstance(value, dt.datetime) else value}
        for name, value in entries.items()
    }


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
    assert tuple(one.state for one in rules.clocks(data(**entries), PERIODS, now)) == states


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
    told = data(awareat=AWARE, criteria=["death"], **judged)
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
        ({"awareat": AWARE, "reportedat": after(hours=-2), "expected": True, "saeout": "fatal"}, "running"),
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
    told = data(**entries)
    assert rules.stage(told, rules.clocks(told, PERIODS, after(days=20))) == stage


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
    found = rules.differences(
        {number: data(**one) for number, one in events.items()},
        {number: data(**one) for number, one in reports.items()},
    )
    assert [one.code for one in found] == codes


def test_an_overdue_report_is_told_up_the_ladder_until_it_is_made(
    committed, site_a, coordinator, investigator, person, trial_manager
):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    head = person("pi", site_a)
    now = clock.now()
    values = {
        "saestdat": clock.today(site_a.timezone).isoformat(),
        "awareat": (now - dt.timedelta(hours=25)).isoformat(timespec="minutes"),
        "saeterm": "sepsis",
        "criteria": ["hospital"],
    }
    here: dict[str, Any] = {"participant": participant, "event": "LOG", "form": "sae"}
    save_record(actor=coordinator, **here, values=values, complete=False)
    planner = system_actor("system.reminders")
    for _ in range(2):
        reminders.plan(actor=planner, now=now)
    reminders.plan(actor=planner, now=now + dt.timedelta(hours=12))
    reminders.plan(actor=planner, now=now + dt.timedelta(hours=24))
    with acting(planner):
        told = list(Message.objects.filter(kind="sae").order_by("pk"))
        assert [one.recipient for one in told] == [
            f"user:{one.pk}" for one in (coordinator, head, trial_manager)
        ]
        text = reminders.resolve(told[0], now)
    assert isinstance(text, Send)
    assert participant.code in text.subject
    assert "sepsis" not in text.body
    client = Client()
    client.force_login(coordinator)
    shown = client.get("/api/v1/safety/").json()
    assert shown[0]["stage"] == "overdue"
    assert [one["state"] for one in shown[0]["clocks"]] == ["overdue", "running", "not_due"]
    assert client.get("/api/v1/safety/reconciliation/").json()[0]["code"] == "names_no_event"
    reported = values | {"reportedat": now.isoformat(timespec="minutes")}
    save_record(actor=coordinator, **here, values=reported, expected_version=1, complete=False)
    with acting(planner):
        assert isinstance(reminders.resolve(told[1], now), Cancel)


def test_a_report_whose_times_are_all_entered_as_missing_is_told_too(
    committed, site_a, coordinator, investigator
):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    now = clock.now()
    values = {name: {"missing": "unknown"} for name in rules.ITEMS.values()} | {
        "saestdat": clock.today(site_a.timezone).isoformat(),
        "awareat": (now - dt.timedelta(hours=25)).isoformat(timespec="minutes"),
    }
    here: dict[str, Any] = {"participant": participant, "event": "LOG", "form": "sae"}
    save_record(actor=coordinator, **here, values=values, complete=False)
    assert reminders.plan(actor=system_actor("system.reminders"), now=now) == 1


def test_another_hospital_sees_none_of_it(committed, site_a, coordinator, investigator, coordinator_b):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    values = {"saestdat": clock.today(site_a.timezone).isoformat(), "saeterm": "sepsis"}
    here: dict[str, Any] = {"participant": participant, "event": "LOG", "form": "sae"}
    save_record(actor=coordinator, **here, values=values, complete=False)
    client = Client()
    client.force_login(coordinator_b)
    assert client.get("/api/v1/safety/").json() == []
    assert client.get("/api/v1/safety/reconciliation/").json() == []
