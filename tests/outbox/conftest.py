"""Messages of a kind that only these tests know: the outbox itself knows no trial words."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.outbox.mailserver import mailserver as mailserver
from tests.outbox.smsserver import smsserver as smsserver
from trialsite.audit.context import acting
from trialsite.outbox import services
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Answer, Cancel, Later, Send
from trialsite.staff.models import system_actor

NOW = dt.datetime(2026, 4, 7, 2, 0, tzinfo=dt.UTC)
READER = "reader@hospital.example"


def resolve(message: Message, now: dt.datetime) -> Answer:
    """What the payload says: a cancellation, a later time, a defect, or a text."""
    asked = message.payload
    if "cancel" in asked:
        return Cancel(asked["cancel"])
    if "later" in asked:
        return Later(dt.datetime.fromisoformat(asked["later"]))
    if "defect" in asked:
        raise RuntimeError(asked["defect"])
    return Send(
        asked.get("to", READER),
        asked.get("subject", "A subject"),
        asked.get("body", "A text."),
        via=asked.get("via", ""),
    )


@pytest.fixture(autouse=True)
def _notes(settings: Any) -> None:
    settings.OUTBOX_RESOLVERS = settings.OUTBOX_RESOLVERS | {"note": "tests.outbox.conftest.resolve"}


@pytest.fixture
def sender(data: None) -> Any:
    return system_actor("system.outbox")


@pytest.fixture
def put(site_a: Any, loader: Any) -> Callable[..., None]:
    """Puts a note that is due at NOW unless told otherwise."""

    def put(key: str, payload: Any = None, **other: Any) -> None:
        services.put(
            **{
                "actor": loader,
                "key": key,
                "kind": "note",
                "recipient": "user:1",
                "channel": "email",
                "payload": payload or {},
                "site": site_a,
                "due_at": NOW,
                "subject_code": "01-001",
            }
            | other
        )

    return put


@pytest.fixture
def found(sender: Any) -> Callable[[str], Message]:
    """The message with this key, as the database has it."""

    def found(key: str) -> Message:
        with acting(sender):
            return Message.objects.get(key=key)

    return found


@pytest.fixture
def run(sender: Any) -> Callable[..., int]:
    """One run of the worker at an instant, as many minutes after NOW as given."""

    def run(minutes: float = 0) -> int:
        return services.send_due(actor=sender, now=NOW + dt.timedelta(minutes=minutes))

    return run


@pytest.fixture
def auditor(person: Callable[..., Any]) -> Any:
    return person("auditor")
