"""Claiming and delivering messages.

Claiming commits `sending` before the provider is called, and the fate is committed after. A worker that dies in
between leaves a `sending`: a provider that keeps our keys is asked what became of it; where it keeps none the message
becomes *uncertain*, a person looks, nobody sends it twice by itself. The instant of the claim is its token: a worker
that wakes up late neither sends nor overwrites what became of the message since.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from django.db import InterfaceError, OperationalError, connection, models
from django.utils.translation import gettext_noop

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import rules
from trialsite.outbox.channels import CHANNELS
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import (
    Again,
    Answer,
    Cancel,
    Failed,
    Later,
    Report,
    Send,
    Sent,
    Uncertain,
    resolve,
)
from trialsite.staff.access import require
from trialsite.staff.capabilities import OUTBOX_SEND
from trialsite.staff.models import User

log = logging.getLogger(__name__)
# A run ends after this long and leaves the rest to the next one, so that a slow mail server holds up no worker.
RUN_FOR: Final = dt.timedelta(seconds=50)
_SOONEST: Final = dt.timedelta(minutes=1)
# A fate that is known is kept in hand while the database restarts; seconds between the tries to commit it.
_PAUSES: Final = (0.2, 0.5, 1, 2, 4, 8, 8, 8)
# How many messages one run asks providers about: the rest waits for the next.
_ASK_AT_ONCE: Final = 50
_SILENT: Final = gettext_noop("the worker did not report back")
_DEFECT: Final = gettext_noop("the program failed while sending")


def claim(*, actor: User, now: dt.datetime, limit: int = 1) -> list[Message]:
    """Take up to `limit` messages that are due and commit them as `sending`; two workers never take the same."""
    with acting(actor, durable=True):
        require(actor, OUTBOX_SEND)
        due = Message.objects.filter(state="pending", due_at__lte=now).order_by("due_at", "pk")
        claimed = list(due.select_for_update(skip_locked=True)[:limit])
        for message in claimed:
            message.state, message.claimed_at, message.attempts = "sending", now, message.attempts + 1
            message.save(update_fields=["state", "claimed_at", "attempts"])
    return claimed


def deliver(*, actor: User, message: Message, now: dt.datetime) -> str:
    """Ask the resolver, send, record the fate; returns the state it came to. `message` as `claim` returned it."""
    try:
        answer = _asked(actor, message, now)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        return _wait(actor, message, now + _SOONEST, attempts=message.attempts - 1)  # nothing has left yet
    match answer:
        case str(state):
            return state
        case Cancel(reason=reason):
            return _settle(actor, message, "cancelled", reason)
        case Later(at=at):
            return _wait(actor, message, max(at, now + _SOONEST), attempts=message.attempts - 1)
        case Send():
            channel = CHANNELS[message.by]
            return _record(actor, message, channel.send(_provider_key(message), answer), now)


def send_due(*, actor: User, now: dt.datetime | None = None) -> int:
    """Claim and deliver one after the other what is due at `now` (the clock); returns how many were handled.

    One message at a time: a worker that is killed leaves at most one of them uncertain.
    """
    ends = clock.now() + RUN_FOR
    resolve_stale(actor=actor, now=now or clock.now())
    handled = 0
    with ExitStack() as sessions:
        for channel in CHANNELS.values():
            sessions.enter_context(channel.session())
        while clock.now() < ends and (claimed := claim(actor=actor, now=now or clock.now())):
            for message in claimed:
                _deliver_or_log(actor, message, now or clock.now())
            handled += len(claimed)
    return handled


def resolve_stale(*, actor: User, now: dt.datetime) -> int:
    """Messages that a dead worker left in `sending`: ask the provider, or call them *uncertain*; returns how many."""
    asked = [name for name, channel in CHANNELS.items() if channel.fate]
    with acting(actor, durable=True):
        require(actor, OUTBOX_SEND)
        stale = Message.objects.filter(state="sending", claimed_at__lt=now - rules.STALE_AFTER)
        ask = models.Q(via__in=asked) | models.Q(via="", channel__in=asked)
        # Its channel is written down before the provider is called: without one, nothing has left.
        unsent = stale.filter(channel=Message.Channel.PREFERRED, via="")
        settled = unsent.update(state="pending", due_at=now, claimed_at=None)
        silent = stale.exclude(ask, claimed_at__gte=now - rules.ASKED_FOR)
        settled += silent.update(state="uncertain", finished_at=now, answer=_SILENT)
        open_ones = list(stale.filter(ask).order_by("claimed_at")[:_ASK_AT_ONCE])
    for message in open_ones:
        fate = CHANNELS[message.by].fate
        report = fate(_provider_key(message)) if fate else None
        if report is not None:
            _record(actor, message, report, now)
            settled += 1
    return settled


def _asked(actor: User, message: Message, now: dt.datetime) -> Answer | str:
    """What the resolver says; the message's state where this worker's claim is no longer the last."""
    with acting(actor):
        require(actor, OUTBOX_SEND)
        if not _claimed(message).filter(state="sending").exists():
            return Message.objects.values_list("state", flat=True).get(pk=message.pk)
        answer = resolve(message, now)
        if isinstance(answer, Send) and not _chosen(message, answer.via):
            return Message.objects.values_list("state", flat=True).get(pk=message.pk)
        return answer


def _deliver_or_log(actor: User, message: Message, now: dt.datetime) -> None:
    """One message that the program cannot handle must not hold up the others."""
    try:
        deliver(actor=actor, message=message, now=now)
    except (OperationalError, InterfaceError):
        raise  # the database is away; what `sending` has become is found out when it is back
    except Exception:
        log.exception("message %s", message.pk)
        _settle(actor, message, "uncertain", _DEFECT)


def _record(actor: User, message: Message, report: Report, now: dt.datetime) -> str:
    if not isinstance(report, Sent):
        log.warning("message %s was not sent: %s", message.pk, report.answer)
    match report:
        case Sent():
            return _settle(actor, message, "sent", report.answer)
        case Failed():
            return _settle(actor, message, "failed", report.answer)
        case Uncertain():
            if CHANNELS[message.by].fate:
                return "sending"  # the provider keeps the key and will be asked, see `resolve_stale`
            return _settle(actor, message, "uncertain", report.answer)
        case Again():
            again = rules.retry_at(message.attempts, now)
            if again is None:
                return _settle(actor, message, _last_word(message), report.answer)
            return _wait(actor, message, again, attempts=message.attempts, answer=report.answer)


def _last_word(message: Message) -> str:
    """The state after the last try: a provider that keeps keys may have taken one of them behind an error."""
    fate = CHANNELS[message.by].fate
    if fate is None:
        return "failed"
    match fate(_provider_key(message)):
        case Sent():
            return "sent"
        case None:
            return "uncertain"
    return "failed"


def _settle(actor: User, message: Message, state: str, answer: str) -> str:
    def commit() -> None:
        with acting(actor, durable=True):
            _claimed(message).filter(state__in=rules.leading_to(state)).update(
                state=state, finished_at=clock.now(), answer=answer
            )

    _insist(commit)
    return state


def _wait(actor: User, message: Message, at: dt.datetime, *, attempts: int, answer: str = "") -> str:
    def commit() -> None:
        with acting(actor, durable=True):
            _claimed(message).filter(state="sending").update(
                state="pending", due_at=at, claimed_at=None, attempts=attempts, answer=answer
            )

    _insist(commit)
    return "pending"


def _insist(commit: Callable[[], None]) -> None:
    """Commit a fate, again while the database cannot be reached: forgetting it would leave the message uncertain.

    Committing twice changes nothing, since the claim's token no longer fits.
    """
    for pause in _PAUSES:
        try:
            return commit()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise
            connection.close()
            time.sleep(pause)
    return commit()


def _chosen(message: Message, via: str) -> bool:
    """Write down, before the provider is called, which channel a message takes that left it to the moment.

    False where this worker's claim is no longer the last: it must not send.
    """
    if not via or via == message.by:
        return True
    message.via = via
    return bool(_claimed(message).filter(state="sending").update(via=via))


def _provider_key(message: Message) -> str:
    """The key that the provider keeps: the same at every attempt, another one after a no and a person's retry."""
    return f"{message.key}#{message.rounds}" if message.rounds else message.key


def _claimed(message: Message) -> models.QuerySet[Message]:
    """The message, as long as the claim that this worker holds is the last one."""
    return Message.objects.filter(pk=message.pk, claimed_at=message.claimed_at)
