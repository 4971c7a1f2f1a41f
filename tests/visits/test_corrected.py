"""Visits that were recorded wrongly: corrected with a reason, judged anew, and what counts from them moves."""

import datetime as dt
from dataclasses import replace

import pytest

from tests.visits.conftest import shanghai
from tests.visits.test_course import LATER, _deviations
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.services import move
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.offsets import Offset
from visits import services
from visits.errors import BadDate, CorrectedByForm, RandomizedByStep, VisitSettled
from visits.models import FormerWindow, Visit


@pytest.fixture
def opened(coordinator):
    with clock.pretend(shanghai("2027-03-24 09:00")):
        yield


@pytest.mark.django_db
def test_a_visit_recorded_on_the_wrong_day_is_judged_anew_by_the_true_one(
    visit, consented, coordinator, opened
):
    services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24))
    for on, reason, field in (
        (dt.date(2027, 3, 23), " ", "reason"),
        (dt.date(2027, 3, 25), "misread", "on"),
    ):
        with pytest.raises(BadDate) as refused:
            services.correct(actor=coordinator, visit=visit, on=on, reason=reason)
        assert list(refused.value.fields) == [field]
    early = services.correct(
        actor=coordinator, visit=visit, on=dt.date(2027, 3, 23), reason="It was misread."
    )
    assert (early.attended_on, early.in_window) == (dt.date(2027, 3, 23), False)
    assert _deviations(coordinator) == [("deviation", "W4", "It was misread.")]


@pytest.mark.django_db
@pytest.mark.parametrize("booked", [True, False])
def test_a_visit_that_has_not_taken_place_is_expected_again(visit, consented, coordinator, opened, booked):
    if booked:
        services.book(actor=coordinator, visit=visit, at=LATER)
    services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24))
    again = services.correct(actor=coordinator, visit=visit, reason="Another participant came.")
    assert (again.state, again.attended_on, again.in_window) == (
        "booked" if booked else "expected",
        None,
        None,
    )
    with pytest.raises(VisitSettled):
        services.correct(actor=coordinator, visit=visit, reason="It is open already.")
    services.miss(actor=coordinator, visit=visit, reason="Never reached.")
    came = services.correct(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24), reason="She came.")
    assert (came.state, came.in_window) == ("attended", True)


@pytest.mark.django_db
def test_an_unscheduled_visit_that_was_none_is_not_expected(consented, coordinator, opened):
    today = dt.date(2027, 3, 24)
    made = services.unscheduled(actor=coordinator, participant=consented, on=today, reason="Fever.")
    undone = services.correct(actor=coordinator, visit=made, reason="Another participant came.")
    assert (undone.state, undone.attended_on) == ("not_expected", None)


@pytest.mark.django_db
def test_what_a_step_dates_is_corrected_by_the_step(scheduled, consented, coordinator, opened):
    made = scheduled(coordinator, consented)
    services.attend(actor=coordinator, visit=made["RAND"], on=dt.date(2027, 3, 8), allocated=True)
    services.attend(actor=coordinator, visit=made["SBRT"], on=dt.date(2027, 3, 15))
    for code, error in (("RAND", RandomizedByStep), ("SBRT", CorrectedByForm)):
        with pytest.raises(error):
            services.correct(actor=coordinator, visit=made[code], on=dt.date(2027, 3, 10), reason="misread")


@pytest.mark.django_db
def test_of_who_has_left_the_true_date_is_needed(visit, consented, coordinator, opened):
    services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24))
    move(actor=coordinator, participant=consented, to="withdrawn")
    with pytest.raises(BadDate) as refused:
        services.correct(actor=coordinator, visit=visit, reason="Another participant came.")
    assert list(refused.value.fields) == ["on"]


@pytest.mark.django_db
def test_what_counts_from_a_corrected_visit_moves_as_far_as_it_is_open(
    scheduled, consented, coordinator, definition, opened, monkeypatch
):
    """A protocol in which two visits count from week 1."""
    week = definition.visit("W1")
    after = [
        replace(week, code=code, anchor="visit:W1", offset=Offset(days))
        for code, days in (("A", 7), ("B", 28))
    ]
    more = replace(definition, visits=(*definition.visits, *after))
    monkeypatch.setattr(ProtocolVersion, "definition", more)
    first = scheduled(coordinator, consented, "W1")["W1"]
    services.attend(actor=coordinator, visit=first, on=dt.date(2027, 3, 8))
    with acting(coordinator):
        made = {one.code: one for one in Visit.objects.filter(anchor="visit:W1")}
    services.attend(actor=coordinator, visit=made["A"], on=dt.date(2027, 3, 15))
    services.correct(actor=coordinator, visit=first, on=dt.date(2027, 3, 9), reason="It was misread.")
    with acting(coordinator):
        now = {one.code: (one.anchor_on, one.plan_version) for one in Visit.objects.filter(anchor="visit:W1")}
        (former,) = FormerWindow.objects.all()
    assert now == {"A": (dt.date(2027, 3, 8), 1), "B": (dt.date(2027, 3, 9), 2)}
    assert (former.visit_id, former.reason) == (made["B"].pk, "It was misread.")
