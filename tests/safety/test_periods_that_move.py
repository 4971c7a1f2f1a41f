"""A period that moves is told of again, and what is saved meanwhile does not put off whoever is next on the ladder."""

import datetime as dt
from typing import Any

import pytest

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.outbox.models import Message
from trialsite.safety import reminders
from trialsite.staff.models import system_actor

EVENT = {"aeterm": "sepsis", "aeser": True}
REPORT: dict[str, Any] = {
    name: {"missing": "unknown"} for name in ("reportedat", "onwardat", "completeat")
} | {"saeterm": "sepsis", "saeno": "1", "criteria": ["hospital"]}


@pytest.fixture
def participant(committed, site_a, coordinator, investigator, person, trial_manager):
    person("pi", site_a)
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def save(participant, coordinator):
    """Saves a draft of the form over what stands."""

    def save(form, values, reason=""):
        with acting(coordinator):
            standing = Record.objects.filter(participant=participant, form=form).first()
        save_record(
            actor=coordinator,
            participant=participant,
            event="LOG",
            form=form,
            values=values,
            complete=False,
            reason=reason,
            expected_version=standing.version if standing else None,
        )

    return save


def told(**later):
    """(thing, phase, role) of the messages that a round at that time adds."""
    planner = system_actor("system.reminders")
    with acting(planner):
        known = set(Message.objects.values_list("pk", flat=True))
    reminders.plan(actor=planner, now=clock.now() + dt.timedelta(**later))
    with acting(planner):
        new = Message.objects.filter(kind="sae").exclude(pk__in=known).order_by("created_at")
        return [(one.payload["clock"], one.payload["phase"], one.payload["role"]) for one in new]


def at(**ago):
    return (clock.now() - dt.timedelta(**ago)).isoformat(timespec="minutes")


def test_a_period_that_was_told_of_and_then_moved_is_told_of_again(save):
    save("sae", REPORT | {"awareat": at(hours=20)})
    assert told() == [("to_sponsor", "soon", "coordinator")]
    # The time of awareness was wrong: two hours ago. The new period runs out, and that is told before and after.
    save("sae", REPORT | {"awareat": at(hours=2)})
    assert told() == []
    assert told(hours=19) == [("to_sponsor", "soon", "coordinator")]
    assert told(hours=23) == [("to_sponsor", "open", "coordinator")]
    # Corrected once more, to a period that has run out already.
    save("sae", REPORT | {"awareat": at(hours=30)})
    assert told() == [("to_sponsor", "open", "coordinator")]


@pytest.mark.parametrize(
    ("form", "thing", "values", "resolved"),
    [
        ("adverse_event", "report", EVENT, EVENT | {"aeser": False}),
        ("sae", "awareness", REPORT, REPORT | {"awareat": at(hours=1)}),
    ],
)
def test_every_save_of_what_waits_leaves_the_ladder_where_it_was(save, form, thing, values, resolved):
    save(form, values)
    assert told() == [(thing, "open", "coordinator")]
    with clock.pretend(clock.now() + dt.timedelta(hours=11)):
        save(form, values | {"aeterm" if form == "adverse_event" else "saeterm": "septic shock"})
        assert told() == []
        assert told(hours=1, minutes=1) == [(thing, "open", "pi")], "twelve hours after it began"
        # Mended, and then the same again: that begins anew.
        save(form, resolved)
    with clock.pretend(clock.now() + dt.timedelta(hours=30)):
        save(form, values, reason="was of another event")
        assert (thing, "open", "coordinator") in told()
