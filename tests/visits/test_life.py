"""A visit from the schedule to its end, and what is refused on the way."""

import datetime as dt
import threading

import pytest
from django.db import connections

from tests.visits.conftest import ANCHOR, shanghai
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.core.errors import Forbidden, NotFound
from trialsite.participants.services import move
from visits import services
from visits.errors import AnchorDiffers, BadDate, ParticipantLeft, VisitSettled
from visits.models import Visit

OPENED = shanghai("2027-03-24 09:00")
LATER = shanghai("2027-03-29 09:30")


@pytest.fixture
def opened():
    """The clock stands on the morning on which the window of W4 opens. Ask for people first: their roles begin now."""
    with clock.pretend(OPENED):
        yield


def _fresh(actor, visit):
    with acting(actor):
        return Visit.objects.get(pk=visit.pk)


# Scheduling -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_schedule_holds_what_comes_after_the_anchor(scheduled, coordinator, participant):
    made = scheduled(coordinator, participant)
    assert list(made) == ["RAND", "W1", "SBRT", "W2", "W4", "M3", "M6", "M12"]
    week = made["W1"]
    assert (week.opens_on, week.target_on, week.closes_on) == (
        dt.date(2027, 3, 6),
        dt.date(2027, 3, 8),
        dt.date(2027, 3, 10),
    )
    assert {visit.state for visit in made.values()} == {"expected"}
    assert [code for code, visit in made.items() if visit.reveals_arm] == ["SBRT"]


@pytest.mark.django_db
def test_scheduling_twice_writes_no_second_row_and_keeps_what_has_happened(
    scheduled, coordinator, participant, opened
):
    first = scheduled(coordinator, participant)
    services.attend(actor=coordinator, visit=first["W1"], on=dt.date(2027, 3, 8))
    again = scheduled(coordinator, participant)
    assert {code: visit.pk for code, visit in again.items()} == {
        code: visit.pk for code, visit in first.items()
    }
    assert again["W1"].state == "attended"


@pytest.mark.django_db
def test_another_anchor_is_refused_and_leaves_nothing_behind(scheduled, coordinator, participant):
    scheduled(coordinator, participant, "W1")
    with pytest.raises(AnchorDiffers, match="2027-03-01"):
        scheduled(coordinator, participant, anchor=ANCHOR + dt.timedelta(days=1))
    with acting(coordinator):
        assert list(Visit.objects.values_list("code", "anchor_on")) == [("W1", ANCHOR)]


def test_two_who_schedule_at_once_make_one_schedule(committed, scheduled, coordinator, participant):
    start, made = threading.Barrier(2), []

    def work():
        try:
            start.wait(10)
            made.append(scheduled(coordinator, participant))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    first, second = made
    assert {visit.pk for visit in first.values()} == {visit.pk for visit in second.values()}
    assert len(first) == 8


# Booking --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_an_appointment_is_made_and_moved_with_a_reason(visit, coordinator, trial_manager, opened):
    booked = services.book(actor=coordinator, visit=visit, at=LATER)
    assert (booked.state, booked.appointment_at, booked.bookings) == ("booked", LATER, 1)
    same = services.book(actor=coordinator, visit=visit, at=LATER)
    assert same.bookings == 1, "a second click changes nothing"
    with pytest.raises(BadDate) as refused:
        services.book(actor=coordinator, visit=visit, at=LATER + dt.timedelta(days=1), reason="  ")
    assert list(refused.value.fields) == ["reason"]
    moved = services.book(
        actor=coordinator, visit=visit, at=LATER + dt.timedelta(days=1), reason="The patient travels."
    )
    assert moved.bookings == 2
    assert (moved.opens_on, moved.closes_on) == (visit.opens_on, visit.closes_on), "windows never move"
    with acting(trial_manager):
        last = Event.objects.filter(table_name="visits_visit", row_key=str(visit.pk)).first()
        assert last is not None
        assert last.reason == "The patient travels."


@pytest.mark.django_db
@pytest.mark.parametrize("before", [dt.timedelta(0), dt.timedelta(microseconds=1), dt.timedelta(days=400)])
def test_an_appointment_lies_in_the_future(visit, coordinator, opened, before):
    with pytest.raises(BadDate) as refused:
        services.book(actor=coordinator, visit=visit, at=OPENED - before)
    assert list(refused.value.fields) == ["at"]
    assert _fresh(coordinator, visit).state == "expected"


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["withdrawn", "dead"])
def test_no_appointment_is_made_with_who_has_left_but_what_was_open_can_be_settled(
    visit, participant, coordinator, status
):
    """The visit was overdue when the participant left: it was expected, and is still to be settled."""
    move(actor=coordinator, participant=participant, to=status)
    with clock.pretend(shanghai("2027-05-01 09:00")):
        with pytest.raises(ParticipantLeft):
            services.book(actor=coordinator, visit=visit, at=shanghai("2027-05-02 09:00"))
        assert services.miss(actor=coordinator, visit=visit, reason="Never reached.").state == "missed"


# Attending and missing ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("on", "in_window"),
    [
        ("2027-03-01", False),
        ("2027-03-23", False),
        ("2027-03-24", True),
        ("2027-04-03", True),
        ("2027-04-04", False),
    ],
)
def test_a_visit_counts_in_or_out_of_its_window(visit, consented, coordinator, on, in_window):
    why = "" if in_window else "The patient travelled."
    with clock.pretend(shanghai("2027-04-20 09:00")):
        attended = services.attend(actor=coordinator, visit=visit, on=dt.date.fromisoformat(on), reason=why)
    assert (attended.state, attended.attended_on, attended.in_window) == (
        "attended",
        dt.date.fromisoformat(on),
        in_window,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("on", ["2027-03-25", "2028-03-24", "2027-02-28", "2026-03-24"])
def test_nobody_came_tomorrow_or_before_the_surgery(visit, coordinator, opened, on):
    with pytest.raises(BadDate) as refused:
        services.attend(actor=coordinator, visit=visit, on=dt.date.fromisoformat(on))
    assert list(refused.value.fields) == ["on"]
    assert _fresh(coordinator, visit).state == "expected"


@pytest.mark.django_db
def test_today_is_the_hospitals_today_and_not_greenwichs(visit, coordinator):
    """At 00:30 on 24 March in Shanghai it is still the 23rd in UTC."""
    with clock.pretend(shanghai("2027-03-24 00:30")):
        assert services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24)).in_window


@pytest.mark.django_db
def test_a_visit_is_missed_with_a_reason_once_its_window_has_opened(visit, coordinator):
    with clock.pretend(shanghai("2027-03-23 23:59")), pytest.raises(BadDate) as early:
        services.miss(actor=coordinator, visit=visit, reason="In another hospital.")
    assert list(early.value.fields) == ["visit"]
    with clock.pretend(shanghai("2027-03-24 00:00")):
        for nothing in ("", " \n"):
            with pytest.raises(BadDate) as unsaid:
                services.miss(actor=coordinator, visit=visit, reason=nothing)
            assert list(unsaid.value.fields) == ["reason"]
        missed = services.miss(actor=coordinator, visit=visit, reason="In another hospital.")
    assert missed.state == "missed"


SETTLE = {
    "attended": lambda actor, visit: services.attend(actor=actor, visit=visit, on=OPENED.date()),
    "missed": lambda actor, visit: services.miss(actor=actor, visit=visit, reason="No call."),
    "not_expected": lambda actor, visit: services.stop(
        actor=actor, participant=visit.participant, after=OPENED.date(), reason="withdraw"
    ),
}
CHANGE = {
    "book": lambda actor, visit: services.book(actor=actor, visit=visit, at=LATER, reason="again"),
    "attend": lambda actor, visit: services.attend(actor=actor, visit=visit, on=OPENED.date()),
    "miss": lambda actor, visit: services.miss(actor=actor, visit=visit, reason="again"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGE)
@pytest.mark.parametrize("state", SETTLE)
def test_a_settled_visit_never_changes(visit, coordinator, opened, state, change):
    SETTLE[state](coordinator, visit)
    before = _fresh(coordinator, visit)
    assert before.state == state
    with pytest.raises(VisitSettled, match="W4"):
        CHANGE[change](coordinator, visit)
    after = _fresh(coordinator, visit)
    assert (after.state, after.attended_on, after.bookings) == (state, before.attended_on, before.bookings)


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGE)
def test_only_who_cares_for_the_participant_changes_a_visit(
    visit, coordinator_b, assessor, trial_manager, coordinator, opened, change
):
    with pytest.raises(NotFound):
        CHANGE[change](coordinator_b, visit)
    for actor in (assessor, trial_manager):
        with pytest.raises(Forbidden):
            CHANGE[change](actor, visit)
    assert _fresh(coordinator, visit).state == "expected"


@pytest.mark.django_db
def test_after_the_end_later_visits_are_not_expected_and_earlier_ones_stay(
    scheduled, coordinator, participant
):
    made = scheduled(coordinator, participant)
    with clock.pretend(shanghai("2027-04-06 09:00")):
        services.attend(actor=coordinator, visit=made["W1"], on=dt.date(2027, 3, 8))
        services.book(actor=coordinator, visit=made["M3"], at=shanghai("2027-05-31 09:00"))
    stopped = services.stop(
        actor=coordinator, participant=participant, after=dt.date(2027, 4, 3), reason="record_death"
    )
    with acting(coordinator):
        states = dict(Visit.objects.filter(participant=participant).values_list("code", "state"))
    assert stopped == 4, "the window that closes on the very day was still open"
    assert [code for code, state in states.items() if state == "not_expected"] == ["W4", "M3", "M6", "M12"]
    assert (states["W1"], states["W2"]) == ("attended", "expected")


def test_of_two_who_settle_a_visit_at_once_one_is_refused(committed, visit, coordinator, opened):
    start, outcome = threading.Barrier(2), []

    def work(settle):
        with clock.pretend(OPENED):
            try:
                start.wait(10)
                settle(coordinator, visit)
                outcome.append("done")
            except VisitSettled:
                outcome.append("refused")
            finally:
                connections.close_all()

    threads = [
        threading.Thread(target=work, args=(settle,)) for settle in (SETTLE["attended"], SETTLE["missed"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcome) == ["done", "refused"]
