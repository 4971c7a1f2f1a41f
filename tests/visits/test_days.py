"""The official calendar as a table, clinic days, and the suggestions that follow from them."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import make_person
from tests.visits.conftest import shanghai
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Forbidden, NotFound
from trialsite.staff.models import system_actor
from visits import days, services
from visits.errors import BadDate
from visits.models import ClinicDay, Holiday, HolidayYear, Visit


@pytest.fixture
def administrator(data):
    return make_person("administrator")


@pytest.fixture
def pi(site_a):
    return make_person("pi", site_a)


def _kinds(actor, *texts):
    with acting(actor):
        on = [dt.date.fromisoformat(text) for text in texts]
        calendar = days.official(min(on), max(on))
    return [calendar.kind(one) for one in on]


def _suggested(actor, visit):
    with acting(actor), clock.pretend(shanghai("2026-09-25 12:00")):
        return [
            (f"{slot.at:%m-%d %H:%M}", slot.certain)
            for slot in days.suggest(actor, [visit]).get(visit.pk, [])
        ]


@pytest.fixture
def autumn(scheduled, coordinator, participant):
    """The visit of week 4 with its target on 5 October 2026, amid National Day: window 30 September to 10 October."""
    return scheduled(coordinator, participant, "W4", anchor=dt.date(2026, 9, 7))["W4"]


@pytest.mark.django_db
def test_the_library_fills_the_table_at_deployment_and_corrections_stay(administrator, loader):
    assert _kinds(administrator, "2026-10-01", "2026-10-09", "2026-10-10", "2026-10-11") == [
        "holiday",
        "working",
        "make_up",
        "weekend",
    ]
    services.set_holiday(
        actor=administrator,
        day=dt.date(2026, 10, 9),
        works=False,
        name="National Day",
        reason="Notice changed.",
    )
    assert services.load_holidays(actor=system_actor("system.loader")) == 0, (
        "what is known is not brought in again"
    )
    assert _kinds(administrator, "2026-10-09") == ["holiday"]


@pytest.mark.django_db
def test_a_year_without_data_is_unknown_until_somebody_declares_it_complete(administrator):
    assert _kinds(administrator, "2031-02-03") == ["unknown"]
    with pytest.raises(BadDate) as early:
        services.complete_year(actor=administrator, year=2031, source="Notice of 2030")
    assert list(early.value.fields) == ["year"]
    services.set_holiday(
        actor=administrator, day=dt.date(2031, 1, 1), works=False, name="New Year's Day", reason="Notice."
    )
    assert _kinds(administrator, "2031-01-01", "2031-02-03") == ["holiday", "unknown"], (
        "one day is not the year"
    )
    services.complete_year(actor=administrator, year=2031, source="Notice of 2030")
    assert _kinds(administrator, "2031-02-03") == ["working"]


@pytest.mark.django_db
def test_the_calendar_is_corrected_by_administrators_and_managers_with_a_reason(
    administrator, trial_manager, coordinator, pi, site_b
):
    day: dict[str, Any] = {"day": dt.date(2026, 10, 9), "works": False, "name": "Extra", "reason": "Notice."}
    for person in (administrator, trial_manager):
        services.set_holiday(actor=person, **day)
    # The official calendar is everybody's: no hospital changes it for the others.
    for person in (coordinator, pi, make_person("trial_manager", site_b)):
        with pytest.raises(Forbidden):
            services.set_holiday(actor=person, **day)
    for field in ("name", "reason"):
        with pytest.raises(BadDate) as refused:
            services.set_holiday(actor=administrator, **{**day, field: " "})
        assert list(refused.value.fields) == [field]


@pytest.mark.django_db
def test_suggestions_avoid_holidays_weekends_and_take_the_make_up_day(autumn, coordinator):
    assert _suggested(coordinator, autumn) == [
        ("10-08 09:00", True),
        ("10-09 09:00", True),
        ("09-30 09:00", True),
        ("10-10 09:00", True),
    ]


@pytest.mark.django_db
def test_suggestions_keep_to_the_clinic_days_and_to_their_room(
    autumn, coordinator, pi, scheduled, participant
):
    fridays = [services.Opening(4, dt.time(8, 30), 1), services.Opening(5)]
    services.set_clinic_days(actor=pi, site=autumn.site, days=fridays, reason="New timetable.")
    assert _suggested(coordinator, autumn) == [("10-09 08:30", True), ("10-10 09:00", True)]
    with clock.pretend(shanghai("2026-09-25 12:00")):
        services.unscheduled(
            actor=coordinator, participant=participant, at=shanghai("2026-10-09 08:30"), reason="Fever."
        )
        services.unscheduled(
            actor=coordinator, participant=participant, at=shanghai("2026-10-10 09:00"), reason="Fever."
        )
    assert _suggested(coordinator, autumn) == [("10-10 09:30", True)], "full, and the next half hour"


@pytest.mark.django_db
def test_nothing_is_suggested_for_what_is_settled_or_past(autumn, coordinator):
    with clock.pretend(shanghai("2026-10-12 09:00")):
        assert days.suggest(coordinator, [autumn]) == {autumn.pk: []}
        missed = services.miss(actor=coordinator, visit=autumn, reason="Never reached.")
        assert days.suggest(coordinator, [missed]) == {}


@pytest.mark.django_db
def test_clinic_days_are_set_by_the_hospitals_pi_and_the_manager(
    pi, trial_manager, coordinator, site_b, site_a
):
    week = [services.Opening(0), services.Opening(2, dt.time(13), 6)]
    services.set_clinic_days(actor=pi, site=site_a, days=week, reason="x")
    services.set_clinic_days(actor=trial_manager, site=site_b, days=week, reason="x")
    with pytest.raises(Forbidden):
        services.set_clinic_days(actor=coordinator, site=site_a, days=week, reason="x")
    with pytest.raises((Forbidden, NotFound)):
        services.set_clinic_days(actor=pi, site=site_b, days=week, reason="x")
    services.set_clinic_days(actor=pi, site=site_a, days=week[:1], reason="x")
    with acting(pi):
        assert list(ClinicDay.objects.values_list("site__code", "weekday")) == [("SHGH", 0)], (
            "and only one's own"
        )
    for wrong in (
        [services.Opening(7)],
        [services.Opening(1), services.Opening(1)],
        [services.Opening(1, capacity=0)],
    ):
        with pytest.raises(BadDate) as refused:
            services.set_clinic_days(actor=pi, site=site_a, days=wrong, reason="x")
        assert list(refused.value.fields) == ["days"]


@pytest.mark.django_db
def test_suggesting_costs_the_same_number_of_queries_for_any_number_of_visits(
    scheduled, coordinator, participant
):
    made = list(scheduled(coordinator, participant, anchor=clock.today("Asia/Shanghai")).values())
    with acting(coordinator):
        visits = list(Visit.objects.select_related("site").filter(pk__in=[visit.pk for visit in made]))
        counts = []
        for some in (visits[:1], visits):
            with CaptureQueriesContext(connection) as asked:
                days.suggest(coordinator, some)
            counts.append(len(asked))
    assert counts == [4, 4]


@pytest.mark.django_db
def test_the_table_holds_what_the_library_says(loader):
    from chinese_calendar import is_workday

    with acting(loader):
        years = list(HolidayYear.objects.values_list("year", flat=True))
        calendar = days.official(dt.date(min(years), 1, 1), dt.date(max(years), 12, 31))
        assert Holiday.objects.count() > 50
    day = dt.date(min(years), 1, 1)
    while day.year <= max(years):
        assert (calendar.kind(day) in ("working", "make_up")) == is_workday(day), day
        day += dt.timedelta(days=1)
