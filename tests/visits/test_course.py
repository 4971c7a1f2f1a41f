"""Appointments with their history, deviations, unscheduled visits, windows that move and those that do not."""

import datetime as dt
import threading
from dataclasses import replace
from functools import partial

import pytest
from django.db import DatabaseError, connections, transaction

from tests.conftest import make_person
from tests.visits.conftest import ANCHOR, shanghai
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.errors import DomainError
from trialsite.protocol.offsets import Offset
from visits import services
from visits.errors import AppointmentMoved, BadDate, TooEarly, VisitSettled
from visits.models import Appointment, FormerWindow, Visit

LATER = shanghai("2027-03-29 09:30")


@pytest.fixture
def opened(person, coordinator):
    with clock.pretend(shanghai("2027-03-24 09:00")):
        yield


def _deviations(actor):
    with acting(actor):
        rows = Record.objects.visible_to(actor).filter(form__in=["deviation", "arm_deviation"]).order_by("pk")
        return [(row.form, row.data["dvsubject"]["value"], row.data["dvreason"]["value"]) for row in rows]


# Appointments ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_appointment_has_time_place_and_person_and_keeps_its_history(
    visit, coordinator, investigator, opened
):
    services.book(actor=coordinator, visit=visit, at=LATER, place="Room 3", staff=investigator)
    next_day = LATER + dt.timedelta(days=1)
    services.book(actor=coordinator, visit=visit, at=next_day, place="Room 3", reason="The patient travels.")
    same = services.book(actor=coordinator, visit=visit, at=next_day, place=" Room 3 ")
    assert same.bookings == 2, "the same appointment again changes nothing"
    cancelled = services.cancel(actor=coordinator, visit=visit, reason="In another hospital.")
    assert (cancelled.state, cancelled.appointment_at, cancelled.place) == ("expected", None, "")
    with acting(coordinator):
        history = [
            (one.number, one.at, one.staff_id, one.reason, one.made_by_id)
            for one in Appointment.objects.filter(visit=visit)
        ]
    assert history == [
        (1, LATER, investigator.pk, "", coordinator.pk),
        (2, next_day, None, "The patient travels.", coordinator.pk),
        (3, None, None, "In another hospital.", coordinator.pk),
    ]


@pytest.mark.django_db
def test_the_history_of_appointments_cannot_be_rewritten(visit, coordinator, opened):
    services.book(actor=coordinator, visit=visit, at=LATER)
    with (
        acting(coordinator),
        pytest.raises(DatabaseError, match="cannot change once written"),
        transaction.atomic(),
    ):
        Appointment.objects.update(reason="never said")
    with acting(coordinator), pytest.raises(DatabaseError, match="keeps every row"), transaction.atomic():
        Appointment.objects.all().delete()


@pytest.mark.django_db
def test_nobody_of_another_hospital_or_without_account_keeps_an_appointment(
    visit, coordinator, coordinator_b, opened
):
    gone = make_person("coordinator", visit.site, is_active=False)
    for stranger in (coordinator_b, gone):
        with pytest.raises(BadDate) as refused:
            services.book(actor=coordinator, visit=visit, at=LATER, staff=stranger)
        assert list(refused.value.fields) == ["staff"]


@pytest.mark.django_db
def test_who_looked_at_an_older_appointment_does_not_overwrite_the_newer(visit, coordinator, opened):
    services.book(actor=coordinator, visit=visit, at=LATER, seen=0)
    with pytest.raises(AppointmentMoved):
        services.book(actor=coordinator, visit=visit, at=LATER + dt.timedelta(days=1), reason="x", seen=0)
    with pytest.raises(AppointmentMoved):
        services.cancel(actor=coordinator, visit=visit, reason="x", seen=0)
    assert services.cancel(actor=coordinator, visit=visit, reason="x", seen=1).state == "expected"
    assert services.cancel(actor=coordinator, visit=visit, reason="x", seen=1).bookings == 2, (
        "nothing to cancel"
    )


def _at_once(*works):
    """Both at once on connections of their own: the class of the error or the result of each."""
    start = threading.Barrier(len(works))
    found: list[object] = [None] * len(works)

    def run(place, work):
        try:
            start.wait(10)
            found[place] = work()
        except DomainError as error:
            found[place] = type(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


@pytest.fixture
def future(committed):
    """An instant a year ahead: threads have a clock of their own."""
    return clock.now() + dt.timedelta(days=365)


def test_two_coordinators_book_one_visit_and_one_of_them_is_told(committed, visit, coordinator, future):
    other = make_person("coordinator", visit.site)
    for round_ in range(5):
        with acting(coordinator):
            seen = Visit.objects.get(pk=visit.pk).bookings
        at = future + dt.timedelta(days=round_)
        booking = partial(services.book, visit=visit, reason="x", seen=seen)
        found = _at_once(
            partial(booking, actor=coordinator, at=at),
            partial(booking, actor=other, at=at + dt.timedelta(hours=1)),
        )
        assert sorted(one is AppointmentMoved for one in found) == [False, True]
        (won,) = [one for one in found if isinstance(one, Visit)]
        with acting(coordinator):
            stored = Visit.objects.get(pk=visit.pk)
            assert (stored.appointment_at, stored.bookings) == (won.appointment_at, seen + 1)
            kept = Appointment.objects.get(visit=visit, number=seen + 1)
            assert kept.at == won.appointment_at


def test_attended_while_it_is_cancelled_is_attended_or_cancelled_but_never_both(
    committed, scheduled, consented, coordinator, future
):
    """The anchor lies in the past, so that today is inside the windows."""
    made = scheduled(coordinator, consented, anchor=clock.today("Asia/Shanghai") - dt.timedelta(days=14))
    visit = services.book(actor=coordinator, visit=made["W2"], at=future)
    today = clock.today("Asia/Shanghai")
    attended, cancelled = _at_once(
        lambda: services.attend(actor=coordinator, visit=visit, on=today),
        lambda: services.cancel(actor=coordinator, visit=visit, reason="rang off"),
    )
    with acting(coordinator):
        stored = Visit.objects.get(pk=visit.pk)
    assert (stored.state, stored.attended_on) == ("attended", today)
    assert isinstance(attended, Visit)
    if cancelled is VisitSettled:
        assert (stored.appointment_at, stored.bookings) == (future, 1)
    else:
        assert (stored.appointment_at, stored.bookings) == (None, 2)


# Deviations -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_visit_outside_its_window_is_a_deviation_with_its_reason(visit, consented, coordinator, opened):
    with pytest.raises(BadDate) as silent:
        services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 23), reason=" ")
    assert list(silent.value.fields) == ["reason"]
    assert _deviations(coordinator) == []
    services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 23), reason="The bridge was closed.")
    assert _deviations(coordinator) == [("deviation", "W4", "The bridge was closed.")]


@pytest.mark.django_db
def test_a_visit_in_its_window_is_no_deviation(visit, consented, coordinator, opened):
    services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24))
    assert _deviations(coordinator) == []


@pytest.mark.django_db
def test_the_deviation_of_a_visit_of_one_arm_is_hidden_from_assessors(
    scheduled, consented, coordinator, assessor, opened
):
    made = scheduled(coordinator, consented)
    services.attend(actor=coordinator, visit=made["RAND"], on=dt.date(2027, 3, 3), allocated=True)
    services.attend(
        actor=coordinator, visit=made["SBRT"], on=dt.date(2027, 3, 20), reason="The machine was down."
    )
    assert _deviations(coordinator) == [("arm_deviation", "SBRT", "The machine was down.")]
    assert _deviations(assessor) == []


@pytest.mark.django_db
def test_sbrt_never_comes_before_the_randomization(scheduled, consented, coordinator, opened):
    made = scheduled(coordinator, consented)
    with pytest.raises(TooEarly):
        services.attend(actor=coordinator, visit=made["SBRT"], on=dt.date(2027, 3, 16))
    services.attend(actor=coordinator, visit=made["RAND"], on=dt.date(2027, 3, 8), allocated=True)
    with pytest.raises(TooEarly):
        services.attend(actor=coordinator, visit=made["SBRT"], on=dt.date(2027, 3, 7), reason="early")
    assert services.attend(actor=coordinator, visit=made["SBRT"], on=dt.date(2027, 3, 15)).in_window


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["W2", "SBRT"])
@pytest.mark.parametrize(
    ("week_two", "deviates"), [("2027-03-15", False), ("2027-03-16", False), ("2027-03-17", True)]
)
def test_week_two_after_the_first_fraction_is_a_deviation_whichever_is_recorded_first(
    scheduled, consented, coordinator, assessor, opened, first, week_two, deviates
):
    made = scheduled(coordinator, consented)
    services.attend(actor=coordinator, visit=made["RAND"], on=dt.date(2027, 3, 3), allocated=True)
    days = {"W2": dt.date.fromisoformat(week_two), "SBRT": dt.date(2027, 3, 16)}
    for code in (first, *({"W2", "SBRT"} - {first})):
        services.attend(actor=coordinator, visit=made[code], on=days[code])
    assert bool(_deviations(coordinator)) == deviates
    assert _deviations(assessor) == [], "it would tell the arm"


# Unscheduled ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_unscheduled_visit_fills_no_planned_one(visit, consented, coordinator, opened):
    today = dt.date(2027, 3, 24)
    first = services.unscheduled(actor=coordinator, participant=consented, on=today, reason="Fever.")
    second = services.unscheduled(actor=coordinator, participant=consented, on=today, reason="Again.")
    assert [(one.code, one.repeat, one.state, one.in_window) for one in (first, second)] == [
        ("UNS", 1, "attended", None),
        ("UNS", 2, "attended", None),
    ]
    assert (first.anchor_on, first.days_from_anchor, first.study_day) == (ANCHOR, 23, 24)
    with acting(coordinator):
        assert Visit.objects.get(pk=visit.pk).state == "expected"


@pytest.mark.django_db
def test_an_unscheduled_visit_may_be_an_appointment_that_moves_and_is_cancelled(
    participant, coordinator, opened
):
    planned = services.unscheduled(actor=coordinator, participant=participant, at=LATER, reason="Fever.")
    assert (planned.state, planned.target_on, planned.anchor_on) == ("booked", LATER.date(), None)
    moved = services.book(
        actor=coordinator, visit=planned, at=LATER + dt.timedelta(days=2), reason="Holiday."
    )
    assert moved.opens_on == moved.closes_on == dt.date(2027, 3, 31)
    assert services.cancel(actor=coordinator, visit=planned, reason="Well again.").state == "not_expected"


@pytest.mark.django_db
def test_an_unscheduled_visit_needs_a_reason_and_either_a_date_or_an_appointment(
    participant, coordinator, opened
):
    today = dt.date(2027, 3, 24)
    for wrong, field in (
        ({"on": today, "reason": " "}, "reason"),
        ({"reason": "Fever."}, "on"),
        ({"reason": "Fever.", "on": today, "at": LATER}, "on"),
        ({"reason": "Fever.", "on": today + dt.timedelta(days=1)}, "on"),
        ({"reason": "Fever.", "at": shanghai("2027-03-24 08:59")}, "at"),
    ):
        with pytest.raises(BadDate) as refused:
            services.unscheduled(actor=coordinator, participant=participant, **wrong)
        assert list(refused.value.fields) == [field], wrong
    with acting(coordinator):
        assert not Visit.objects.filter(kind="unscheduled").exists(), "nothing is half stored"


# Windows that move ----------------------------------------------------------------------------------------------


@pytest.fixture
def replanned(coordinator, participant, definition):
    def replanned(anchor=ANCHOR, visits=None):
        return services.replan(
            actor=coordinator,
            participant=participant,
            anchors={"surgery": anchor},
            visits=visits or definition.visits,
            reason="The date was misread.",
        )

    return replanned


@pytest.mark.django_db
def test_a_corrected_anchor_moves_open_windows_and_keeps_what_was(
    scheduled, replanned, coordinator, participant, opened
):
    made = scheduled(coordinator, participant)
    services.attend(actor=coordinator, visit=made["W1"], on=dt.date(2027, 3, 8))
    services.miss(actor=coordinator, visit=made["W2"], reason="Never reached.")
    services.book(actor=coordinator, visit=made["W4"], at=LATER)
    touched = replanned(ANCHOR + dt.timedelta(days=2))
    assert sorted(visit.code for visit in touched) == ["M12", "M3", "M6", "RAND", "SBRT", "W4"]
    with acting(coordinator):
        now = {visit.code: visit for visit in Visit.objects.filter(participant=participant)}
        former = {one.visit.code: one for one in FormerWindow.objects.select_related("visit")}
    for code in ("W1", "W2"):
        assert (now[code].opens_on, now[code].plan_version) == (made[code].opens_on, 1), "settled visits stay"
    assert now["W4"].opens_on == made["W4"].opens_on + dt.timedelta(days=2)
    assert (now["W4"].state, now["W4"].appointment_at, now["W4"].plan_version) == ("booked", LATER, 2)
    assert (former["W4"].version, former["W4"].opens_on, former["W4"].reason) == (
        1,
        made["W4"].opens_on,
        "The date was misread.",
    )
    assert replanned(ANCHOR + dt.timedelta(days=2)) == [], "the same again changes nothing"


@pytest.mark.django_db
def test_an_amendment_replans_only_what_is_open(
    scheduled, replanned, coordinator, participant, definition, opened
):
    """Month 3 gets a wider window, month 6 is given up, week 8 and a week 1 that is long past are new."""
    made = scheduled(coordinator, participant)
    services.attend(actor=coordinator, visit=made["W1"], on=dt.date(2027, 3, 8))
    by_code = {visit.code: visit for visit in definition.visits}
    amended = [visit for visit in definition.visits if visit.code not in ("M3", "M6", "W1")]
    amended += [
        replace(by_code["M3"], before=20),
        replace(by_code["W1"], offset=Offset(8)),
        replace(by_code["W1"], code="W8", offset=Offset(8, "weeks")),
        replace(by_code["W1"], code="D3", offset=Offset(3)),
    ]
    replanned(visits=amended)
    with acting(coordinator):
        now = {visit.code: visit for visit in Visit.objects.filter(participant=participant)}
    assert now["M3"].opens_on == made["M3"].opens_on - dt.timedelta(days=6)
    assert (now["M6"].state, now["M6"].reason) == ("not_expected", "The date was misread.")
    assert now["W8"].target_on == ANCHOR + dt.timedelta(weeks=8)
    assert "D3" not in now, "nobody can come to what was over before it was planned"
    assert (now["W1"].state, now["W1"].target_on) == ("attended", made["W1"].target_on)
    assert (now["W4"].plan_version, now["M12"].plan_version) == (1, 1), "what is the same does not move"


@pytest.mark.django_db
@pytest.mark.parametrize("anchor", ["2027-03", None, dt.datetime(2027, 3, 1, tzinfo=dt.UTC)])
def test_a_partial_date_is_no_anchor(coordinator, participant, definition, anchor):
    with pytest.raises(BadDate) as refused:
        services.schedule(
            actor=coordinator,
            participant=participant,
            anchors={"surgery": anchor},
            visits=definition.visits,
        )
    assert list(refused.value.fields) == ["surgery"]


@pytest.mark.django_db
def test_visits_count_from_the_anchor_that_they_name(coordinator, participant, definition):
    week = definition.visit("W1")
    made = services.schedule(
        actor=coordinator,
        participant=participant,
        anchors={"surgery": ANCHOR, "randomization": dt.date(2027, 3, 5)},
        visits=[
            week,
            replace(week, code="A", anchor="randomization", offset=Offset(1, "months")),
            replace(week, code="B", anchor="end_of_local_treatment"),
        ],
    )
    assert [(visit.code, visit.anchor, visit.target_on) for visit in made] == [
        ("W1", "surgery", dt.date(2027, 3, 8)),
        ("A", "randomization", dt.date(2027, 4, 5)),
    ]
