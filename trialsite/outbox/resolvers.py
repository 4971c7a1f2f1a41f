"""What a resolver answers when a message is about to leave, and what a channel reports after."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from trialsite.outbox.models import Message


@dataclass(frozen=True)
class Send:
    """Send this now. `via` names the channel where the message leaves it to the moment (`preferred`)."""

    to: str
    subject: str
    body: str
    via: str = ""


@dataclass(frozen=True)
class Cancel:
    """Do not send it any more, and why: an English msgid, translated where it is shown."""

    reason: str


@dataclass(frozen=True)
class Later:
    """Ask again at this instant."""

    at: dt.datetime


Answer = Send | Cancel | Later


@dataclass(frozen=True)
class Sent:
    """The provider took it."""

    answer: str


@dataclass(frozen=True)
class Again:
    """The provider did not take it now; another try may succeed."""

    answer: str


@dataclass(frozen=True)
class Failed:
    """The provider will not take it."""

    answer: str


@dataclass(frozen=True)
class Uncertain:
    """Nobody knows whether the provider took it."""

    answer: str


Report = Sent | Again | Failed | Uncertain


def resolve(message: "Message", now: dt.datetime) -> Answer:
    """Ask the resolver of the message's kind."""
    resolver: Callable[[Message, dt.datetime], Answer] = import_string(
        settings.OUTBOX_RESOLVERS[message.kind]
    )
    return resolver(message, now)
