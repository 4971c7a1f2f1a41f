"""Visits of a participant at SHGH whose surgery is on 1 March 2027, and the clock set where a test wants it."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.outbox.mailserver import mailserver as mailserver
from tests.outbox.smsserver import smsserver as smsserver
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.enrollment.services import consent
from trialsite.outbox.models import Message
from trialsite.participants.models import Contact, Participant
from trialsite.participants.services import set_contact
from trialsite.staff.models import system_actor
from visits import services
from visits.models import Visit

ANCHOR = dt.date(2027, 3, 1)
PATIENT = "wang@patients.example"


def shanghai(text: str) -> dt.datetime:
    """The instant at which a clock in Shanghai shows `text`."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def planner(data: None) -> Any:
    return system_actor("system.reminders")


@pytest.fixture
def participant(site_a: Any, coordinator: Any, investigator: Any) -> Participant:
    return walk("registered", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def consented(participant: Participant, coordinator: Any) -> Participant:
    """The same participant, who may have records now: deviations are records."""
    signed = clock.now() - dt.timedelta(days=1)
    consent(
        actor=coordinator,
        participant=participant,
        form_version="1.0",
        patient_signed_at=signed,
        family_signed_at=signed,
    )
    return participant


@pytest.fixture
def scheduled(definition: Any) -> Callable[..., dict[str, Visit]]:
    """Schedules the named visits of the protocol from an anchor; by code."""

    def scheduled(
        actor: Any, participant: Participant, *codes: str, anchor: dt.date = ANCHOR
    ) -> dict[str, Visit]:
        made = services.schedule(
            actor=actor,
            participant=participant,
            anchors={"surgery": anchor},
            visits=[visit for visit in definition.visits if not codes or visit.code in codes],
        )
        return {visit.code: visit for visit in made}

    return scheduled


@pytest.fixture
def visit(scheduled: Any, coordinator: Any, participant: Participant) -> Visit:
    """The visit of week 4: target 29 March, window from 24 March to 3 April 2027."""
    made: Visit = scheduled(coordinator, participant, "W4")["W4"]
    return made


@pytest.fixture
def now_is(planner: Any) -> Callable[[str], int]:
    """Plans the reminders of an instant in Shanghai; how many were new."""

    def now_is(text: str) -> int:
        return services.plan_reminders(actor=planner, now=shanghai(text))

    return now_is


@pytest.fixture
def planned(planner: Any) -> Callable[[], list[tuple[str, str]]]:
    """What stands in the outbox: (rule, recipient), in the order of writing."""

    def planned() -> list[tuple[str, str]]:
        with acting(planner):
            rows = Message.objects.filter(kind="visit").order_by("pk")
            return [(row.payload["rule"], row.recipient) for row in rows]

    return planned


@pytest.fixture
def reachable(participant: Participant, coordinator: Any) -> Callable[..., Contact]:
    """The participant has left an address; called, it changes what was left."""

    def reachable(**changes: Any) -> Contact:
        values: dict[str, Any] = {
            "name": "王丽",
            "phone": "13955501234",
            "email": PATIENT,
            "language": "zh-hans",
        }
        values |= {"contact_consent": True, "reason": "as they told us"}
        return set_contact(actor=coordinator, participant=participant, **values | changes)

    reachable()
    return reachable


@pytest.fixture
def book(coordinator: Any, visit: Visit) -> Callable[..., None]:
    """Books the visit, both times in Shanghai; the clock stands on 1 March 2027 unless told otherwise."""

    def book(at: str, on: str = "2027-03-01 12:00") -> None:
        with clock.pretend(shanghai(on)):
            services.book(actor=coordinator, visit=visit, at=shanghai(at), reason="The patient travels.")

    return book
