"""Windows, study days, order and the record that counts, against a calendar that is counted another way."""

import datetime as dt
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.visits.oracle import FIRST, LAST, cases, date, differences, gregorian, julian
from trialsite.protocol.definition import Definition
from trialsite.protocol.offsets import Offset
from trialsite.protocol.reader import read
from visits import rules

CASES = 10_000


def day(text):
    return dt.date.fromisoformat(text)


@pytest.fixture(scope="module")
def trial():
    document, problems = read(ROOT / "protocols" / "nct06756087")
    assert problems == []
    return Definition.from_document(document)


def test_the_oracle_itself_knows_the_calendar():
    assert julian(2000, 1, 1) == 2451545
    assert [gregorian(2451545 + shift) for shift in (-1, 59, 60, 366)] == [
        (1999, 12, 31),
        (2000, 2, 29),
        (2000, 3, 1),
        (2001, 1, 1),
    ]


def test_windows_of_random_schedules_agree_with_the_oracle():
    wrong = []
    for case in itertools.islice(cases(random.Random(6)), CASES):
        wrong += differences(*case)
    assert wrong[:3] == []


def test_every_anchor_from_2024_to_2035_gives_the_trial_its_windows(trial):
    planned = [(visit.offset, visit.before, visit.after) for visit in trial.visits if visit.offset]
    assert len(planned) >= 10
    wrong = []
    for number in range(julian(*FIRST), julian(*LAST) + 1):
        for visit in planned:
            wrong += differences(number, *visit)
    assert wrong[:3] == []


def test_every_anchor_from_2024_to_2035_counts_months_to_the_months_end():
    wrong = []
    for number in range(julian(*FIRST), julian(*LAST) + 1):
        for months in (-1, 1, 3, 12):
            wrong += differences(number, Offset(months, "months"), 3, 5)
    assert wrong[:3] == []


@pytest.mark.parametrize(
    ("anchor", "code", "opens", "target", "closes"),
    [
        ("2024-02-22", "W1", "2024-02-27", "2024-02-29", "2024-03-02"),
        ("2024-02-29", "M12", "2025-01-29", "2025-02-28", "2025-03-30"),
        ("2023-03-01", "M12", "2024-01-30", "2024-02-29", "2024-03-30"),
        ("2026-12-25", "W1", "2026-12-30", "2027-01-01", "2027-01-03"),
    ],
)
def test_leap_days_and_the_turn_of_the_year(trial, anchor, code, opens, target, closes):
    visit = trial.visit(code)
    made = rules.window(day(anchor), visit.offset, visit.before, visit.after)
    assert [one.isoformat() for one in (made.opens, made.target, made.closes)] == [opens, target, closes]


@pytest.mark.parametrize(
    ("anchor", "months", "target"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-01-15", -1, "2025-12-15"),
        ("2026-12-31", 2, "2027-02-28"),
    ],
)
def test_months_are_added_to_the_anchor_and_clamped_never_chained(anchor, months, target):
    assert Offset(months, "months").after(day(anchor)) == day(target)


@given(st.dates(dt.date(2024, 1, 1), dt.date(2035, 12, 31)), st.integers(0, 36), st.integers(0, 36))
def test_a_later_month_never_comes_earlier(anchor, one, other):
    few, many = sorted((one, other))
    assert Offset(few, "months").after(anchor) <= Offset(many, "months").after(anchor)
    assert Offset(many * 4, "weeks").after(anchor) == Offset(many * 28).after(anchor)


@pytest.mark.parametrize(("offset", "study_day"), [(-2, -2), (-1, -1), (0, 1), (1, 2), (364, 365)])
def test_there_is_no_study_day_zero(offset, study_day):
    anchor = dt.date(2028, 2, 29)
    assert rules.study_day(anchor, anchor + dt.timedelta(days=offset)) == study_day


def test_an_instant_is_no_anchor():
    """At 00:30 in Shanghai Greenwich still has yesterday: a schedule that took instants would be a day off."""
    with pytest.raises(TypeError, match="local date"):
        rules.window(dt.datetime(2026, 3, 1, 0, 30, tzinfo=dt.UTC), Offset(7), 2, 2)


# Order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "breached"),
    [
        ({"RAND": "2026-03-05"}, []),
        ({"RAND": "2026-03-15"}, []),
        ({"RAND": "2026-03-16"}, ["RAND"]),
        ({}, ["RAND"]),
        ({"W2": "2026-03-01"}, ["RAND"]),
    ],
)
def test_what_must_follow_comes_on_the_same_day_or_later(happened, breached):
    dates = {code: day(text) for code, text in happened.items()}
    found = rules.breaches("SBRT", day("2026-03-15"), ["RAND"], dates)
    assert [one.earlier for one in found] == breached
    assert all(one.earlier_on == dates.get(one.earlier) for one in found)


def test_the_trials_milestones_stand_in_the_order_of_the_protocol(trial):
    order = {visit.code: (visit.must_follow, visit.should_follow) for visit in trial.visits}
    assert order["SURG"] == (("BL",), ())
    assert order["RAND"] == (("SURG",), ())
    assert order["SBRT"] == (("RAND",), ("W2",))


# The record that counts -----------------------------------------------------------------------------------------

TARGET = day("2026-03-29")


def record(key, on, scheduled=True):
    return rules.Candidate(key, day(on), scheduled)


@pytest.mark.parametrize(
    ("records", "key"),
    [
        ([], None),
        ([record(1, "2026-03-20")], 1),
        ([record(1, "2026-03-26"), record(2, "2026-03-30")], 2),
        ([record(1, "2026-03-27"), record(2, "2026-03-31")], 2),
        ([record(2, "2026-03-31"), record(1, "2026-03-27")], 2),
        ([record(1, "2026-03-24"), record(2, "2026-03-29", False)], 1),
        ([record(1, "2026-03-27", False), record(2, "2026-03-31", False)], 2),
        ([record(1, "2026-03-29"), record(2, "2026-03-29")], 2),
    ],
)
def test_of_several_records_one_counts(records, key):
    chosen = rules.counting(records, TARGET)
    assert (chosen and chosen.key) == key


CANDIDATES = st.lists(
    st.builds(
        rules.Candidate,
        st.integers(1, 10**6),
        st.integers(-40, 40).map(lambda shift: TARGET + dt.timedelta(days=shift)),
        st.booleans(),
    ),
    unique_by=lambda one: one.key,
)


@given(CANDIDATES, st.randoms())
def test_the_record_that_counts_depends_on_no_order_and_beats_every_other(candidates, chance):
    """The oracle asks each pair in words, where the rule sorts."""
    chosen = rules.counting(candidates, TARGET)
    shuffled = list(candidates)
    chance.shuffle(shuffled)
    assert rules.counting(shuffled, TARGET) == chosen
    if chosen is None:
        assert candidates == []
        return
    for other in candidates:
        if other == chosen:
            continue
        if other.scheduled != chosen.scheduled:
            assert chosen.scheduled
            continue
        near, far = abs((chosen.on - TARGET).days), abs((other.on - TARGET).days)
        assert near <= far
        if near == far:
            assert chosen.on >= other.on
        if chosen.on == other.on:
            assert chosen.key > other.key


# Days that suit -------------------------------------------------------------------------------------------------

# 2026: National Day is 1 to 7 October; Sunday 20 September and Saturday 10 October are made up for.
OFFICIAL = rules.Calendar(
    {date(julian(2026, 10, one)): False for one in range(1, 8)}
    | {day("2026-10-10"): True, day("2026-09-20"): True},
    frozenset({2026}),
)


@pytest.mark.parametrize(
    ("on", "kind"),
    [
        ("2026-09-30", "working"),
        ("2026-10-01", "holiday"),
        ("2026-10-03", "holiday"),
        ("2026-10-10", "make_up"),
        ("2026-10-11", "weekend"),
        ("2027-10-01", "unknown"),
        ("2027-10-02", "weekend"),
    ],
)
def test_what_kind_of_day_it_is(on, kind):
    assert OFFICIAL.kind(day(on)) == kind


def suggested(target, before, after, *, earliest="2020-01-01", clinic=None, booked=None, calendar=OFFICIAL):
    made = rules.suggestions(
        target=day(target),
        opens=day(target) - dt.timedelta(days=before),
        closes=day(target) + dt.timedelta(days=after),
        earliest=day(earliest),
        calendar=calendar,
        clinic=rules.Clinic(clinic or {}),
        booked={day(one): number for one, number in (booked or {}).items()},
    )
    return [(one.day.isoformat()[5:], one.certain) for one in made]


def test_holidays_and_weekends_are_avoided_and_make_up_days_are_not():
    assert suggested("2026-10-06", 6, 6) == [
        ("10-08", True),
        ("10-09", True),
        ("10-10", True),
        ("09-30", True),
        ("10-12", True),
    ]


def test_only_the_hospitals_clinic_days_are_suggested_and_full_ones_are_not():
    tuesdays_and_saturdays = {1: 2, 5: None}
    assert suggested("2026-10-12", 5, 5, clinic=tuesdays_and_saturdays) == [("10-13", True), ("10-10", True)]
    full = {"2026-10-13": 2, "2026-10-10": 99}
    assert suggested("2026-10-12", 5, 5, clinic=tuesdays_and_saturdays, booked=full) == [("10-10", True)]
    assert suggested("2026-10-12", 1, 5, clinic={1: 2}, booked={"2026-10-13": 1}) == [("10-13", True)]


def test_a_year_without_data_is_suggested_as_uncertain():
    assert suggested("2027-10-02", 1, 2) == [("10-01", False), ("10-04", False)]


def test_nothing_is_suggested_where_nothing_suits_or_all_is_past():
    assert suggested("2026-10-03", 2, 2) == []
    assert suggested("2026-09-16", 1, 1, earliest="2026-09-18") == []
    assert suggested("2026-09-16", 1, 1, earliest="2026-09-17") == [("09-17", True)]


DAYS = st.integers(-30, 30).map(lambda shift: day("2026-10-05") + dt.timedelta(days=shift))


@given(
    DAYS,
    st.integers(0, 30),
    st.integers(0, 30),
    DAYS,
    st.dictionaries(st.integers(0, 6), st.none() | st.integers(1, 3)),
    st.dictionaries(DAYS, st.integers(0, 4)),
)
def test_suggestions_are_every_suiting_day_of_the_window_and_no_other(
    target, before, after, earliest, weekdays, booked
):
    opens, closes = target - dt.timedelta(days=before), target + dt.timedelta(days=after)
    made = [
        one.day
        for one in rules.suggestions(
            target=target,
            opens=opens,
            closes=closes,
            earliest=earliest,
            calendar=OFFICIAL,
            clinic=rules.Clinic(weekdays),
            booked=booked,
        )
    ]
    wanted = set()
    for number in range(julian(2026, 7, 1), julian(2027, 1, 31)):
        one = date(number)
        weekday = number % 7  # day number 0 was a Monday
        works = OFFICIAL.works.get(one, weekday < 5)
        limit = weekdays.get(weekday)
        room = not weekdays or (weekday in weekdays and (limit is None or booked.get(one, 0) < limit))
        if opens <= one <= closes and one >= earliest and works and room:
            wanted.add(one)
    assert len(made) == len(set(made))
    assert set(made) == wanted
    distances = [abs((one - target).days) for one in made]
    assert distances == sorted(distances)
