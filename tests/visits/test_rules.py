"""How pressing a visit is, and when which reminder speaks."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.visits.oracle import julian
from trialsite.protocol.definition import Definition, ReminderRule
from trialsite.protocol.reader import read
from visits import rules

ZONES = [
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]
# From 2024 to 2035, to the second.
INSTANTS = st.integers(1704067200, 2082758399).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))


def number(day):
    return julian(day.year, day.month, day.day)


@pytest.fixture(scope="module")
def trial():
    document, problems = read(ROOT / "protocols" / "nct06756087")
    assert problems == []
    return Definition.from_document(document)


@pytest.mark.parametrize(
    ("state", "today", "urgency"),
    [
        ("expected", "2026-04-09", "later"),
        ("expected", "2026-04-10", "open"),
        ("booked", "2026-04-16", "open"),
        ("booked", "2026-04-17", "closing"),
        ("expected", "2026-04-20", "closing"),
        ("booked", "2026-04-21", "overdue"),
        ("attended", "2026-04-21", "none"),
        ("missed", "2026-04-10", "none"),
        ("not_expected", "2026-04-17", "none"),
    ],
)
def test_how_pressing_a_visit_is(state, today, urgency):
    opens, closes = dt.date(2026, 4, 10), dt.date(2026, 4, 20)
    assert rules.urgency(state, opens, closes, dt.date.fromisoformat(today)) == urgency


# When which reminder speaks -------------------------------------------------------------------------------------

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def at(text):
    """Local time in Shanghai."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def course(appointment=None, zone="Asia/Shanghai"):
    """A window from 1 to 11 June 2026."""
    booked = at(appointment) if appointment else None
    return rules.Course(dt.date(2026, 6, 1), dt.date(2026, 6, 11), booked, zone)


@pytest.mark.parametrize(
    ("now", "spoken"),
    [
        ("2026-05-18 08:29", {}),
        ("2026-05-18 08:30", {"coordinator": "coordinator_before_opening"}),
        ("2026-06-01 08:29", {"coordinator": "coordinator_before_opening"}),
        ("2026-06-01 08:30", {"coordinator": "coordinator_opening"}),
        ("2026-06-08 08:29", {"coordinator": "coordinator_opening"}),
        ("2026-06-08 08:30", {"coordinator": "coordinator_closing"}),
        ("2026-06-11 23:59", {"coordinator": "coordinator_closing"}),
        ("2026-06-12 00:00", {}),
        ("2026-06-12 08:30", {"pi": "pi_overdue"}),
        ("2026-06-18 08:30", {"pi": "pi_overdue", "trial_manager": "manager_overdue"}),
        ("2027-01-01 00:00", {"pi": "pi_overdue", "trial_manager": "manager_overdue"}),
    ],
)
def test_who_hears_what_of_a_visit_that_nobody_books(trial, now, spoken):
    said = rules.speaking(trial.reminders, course(), at(now))
    assert {audience: rule.kind for audience, rule in said.items()} == spoken


@pytest.mark.parametrize(
    ("now", "spoken"),
    [
        ("2026-05-18 08:30", {}),
        ("2026-05-28 09:59", {}),
        ("2026-05-28 10:00", {"participant": "participant_week_before"}),
        ("2026-06-01 08:30", {"participant": "participant_week_before"}),
        ("2026-06-03 10:00", {"participant": "participant_day_before"}),
        ("2026-06-04 09:29", {"participant": "participant_day_before"}),
        ("2026-06-04 09:30", {}),
        ("2026-06-08 08:30", {"coordinator": "coordinator_closing"}),
        ("2026-06-12 08:30", {"pi": "pi_overdue"}),
    ],
)
def test_who_hears_what_of_a_visit_booked_for_the_fourth_of_june_half_past_nine(trial, now, spoken):
    said = rules.speaking(trial.reminders, course("2026-06-04 09:30"), at(now))
    assert {audience: rule.kind for audience, rule in said.items()} == spoken


def rule(kind, relative_to, offset_days, time="10:00", audience="coordinator"):
    return ReminderRule.of(
        {
            "kind": kind,
            "audience": audience,
            "relative_to": relative_to,
            "offset_days": offset_days,
            "at": time,
            "channel": "email",
            "subject": {"en": "", "zh": ""},
            "body": {"en": "", "zh": ""},
        }
    )


def test_of_rules_that_fall_on_one_moment_the_last_in_the_protocol_speaks():
    both = [rule("first", "opens", 10), rule("second", "closes", 0)]
    for rules_in_order in (both, both[::-1]):
        said = rules.speaking(rules_in_order, course(), at("2026-06-11 12:00"))
        assert said == {"coordinator": rules_in_order[-1]}


RULES = st.builds(
    rule,
    st.just("one"),
    st.sampled_from(["opens", "closes", "appointment"]),
    st.integers(-30, 30),
    st.sampled_from(["00:00", "08:30", "10:00", "23:59"]),
)


@given(RULES, st.sampled_from(ZONES), INSTANTS, st.one_of(st.none(), INSTANTS))
def test_a_moment_is_the_local_time_of_its_day_whatever_the_zone(one, zone, opens, appointment):
    hung = rules.Course(opens.date(), opens.date() + dt.timedelta(days=10), appointment, zone)
    moment = rules.moment(one, hung)
    if moment is None:
        assert (one.relative_to, appointment) == ("appointment", None)
        return
    local = moment.astimezone(zoneinfo.ZoneInfo(zone))
    day = {
        "opens": hung.opens,
        "closes": hung.closes,
        "appointment": appointment and appointment.astimezone(zoneinfo.ZoneInfo(zone)).date(),
    }[one.relative_to]
    assert (number(local) - number(day), f"{local:%H:%M}") == (one.offset_days, one.at)


@given(st.sampled_from(ZONES), INSTANTS)
def test_quiet_hours_last_from_nine_in_the_evening_to_eight_in_the_morning(zone, now):
    local = now.astimezone(zoneinfo.ZoneInfo(zone))
    end = rules.quiet_until(now, zone)
    assert (end is None) == (local.hour in range(8, 21))
    if end is not None:
        there = end.astimezone(zoneinfo.ZoneInfo(zone))
        assert (there.hour, there.minute, there.second, there.microsecond) == (8, 0, 0, 0)
        assert dt.timedelta(0) < end - now <= dt.timedelta(hours=12)
        assert rules.quiet_until(end, zone) is None


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("2026-06-01 20:59:59", None),
        ("2026-06-01 21:00:00", "2026-06-02 08:00"),
        ("2026-06-02 00:00:00", "2026-06-02 08:00"),
        ("2026-06-02 07:59:59", "2026-06-02 08:00"),
        ("2026-06-02 08:00:00", None),
    ],
)
def test_the_edges_of_the_quiet_hours(local, until):
    assert rules.quiet_until(at(local), "Asia/Shanghai") == (until and at(until))
