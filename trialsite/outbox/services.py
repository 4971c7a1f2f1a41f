"""Putting, claiming and delivering messages.

Claiming commits `sending` before the mail server is asked, and the fate is committed after. A worker that dies in
between leaves a `sending` that becomes *uncertain*: a person looks, nobody sends it twice by itself. The instant of
the claim is its token: a worker that wakes up late neither sends nor overwrites what became of the message since.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_noop

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import mail, rules
from trialsite.outbox.errors import NotToBeRetried
from trialsite.outbox.mail import message_id as message_id
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Again, Cancel, Failed, Later, Report, Send, Sent, Uncertain, resolve
from trialsite.staff.access import require
from trialsite.staff.capabilities import OUTBOX_SEND, REMINDER_MANAGE
from trialsite.staff.models import User

log = logging.getLogger(__name__)
CHANNELS: Final[Mapping[str, Callable[[str, Send], Report]]] = {"email": mail.send}
# A run ends after this long and leaves the rest to the next one, so that a slow mail server holds up no worker.
RUN_FOR: Final = dt.timedelta(seconds=50)
_SOONEST: Final = dt.timedelta(minutes=1)
_SILENT: Final = gettext_noop("the worker did not report back")
_DEFECT: Final = gettext_noop("the program failed while sending")


def put(
    *,
    actor: User,
    key: str,
    kind: str,
    recipient: str,
    channel: str,
    payload: Mapping[str, Any],
    site: models.Model,
    due_at: dt.datetime,
    subject_code: str,
) -> None:
    """Put a message; a second one with the same key is not written."""
    message = Message(
        key=key,
        kind=kind,
        recipient=recipient,
        channel=channel,
        payload=dict(payload),
        site_id=site.pk,
        due_at=due_at,
        subject_code=subject_code,
    )
    with acting(actor):
        Message.objects.bulk_create([message], ignore_conflicts=True)


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
    with acting(actor):
        require(actor, OUTBOX_SEND)
        if not _claimed(message).filter(state="sending").exists():
            return Message.objects.values_list("state", flat=True).get(pk=message.pk)
        answer = resolve(message, now)
    match answer:
        case Cancel(reason=reason):
            return _settle(actor, message, "cancelled", reason)
        case Later(at=at):
            return _wait(actor, message, max(at, now + _SOONEST), attempts=message.attempts - 1)
        case Send():
            return _record(actor, message, CHANNELS[message.channel](message.key, answer), now)


def send_due(*, actor: User, now: dt.datetime | None = None) -> int:
    """Claim and deliver one after the other what is due at `now` (the clock); returns how many were handled.

    One message at a time: a worker that is killed leaves at most one of them uncertain.
    """
    ends = clock.now() + RUN_FOR
    expire_stale(actor=actor, now=now or clock.now())
    handled = 0
    while clock.now() < ends and (claimed := claim(actor=actor, now=now or clock.now())):
        for message in claimed:
            _deliver_or_log(actor, message, now or clock.now())
        handled += len(claimed)
    return handled


def expire_stale(*, actor: User, now: dt.datetime) -> int:
    """Messages that a dead worker left in `sending` become *uncertain*; returns how many."""
    with acting(actor, durable=True):
        require(actor, OUTBOX_SEND)
        return Message.objects.filter(state="sending", claimed_at__lt=now - rules.STALE_AFTER).update(
            state="uncertain", finished_at=now, answer=_SILENT
        )


def retry(*, actor: User, message: Message) -> Message:
    """A person decides that a failed or uncertain message is tried again. Raises NotToBeRetried for any other."""
    with acting(actor):
        require(actor, REMINDER_MANAGE, site=message.site_id)
        changed = Message.objects.filter(pk=message.pk, state__in=rules.FOR_PERSON).update(
            state="pending", due_at=clock.now(), attempts=0, finished_at=None, claimed_at=None
        )
        message.refresh_from_db()
        if not changed:
            raise NotToBeRetried(state=message.get_state_display())
        return message


def _deliver_or_log(actor: User, message: Message, now: dt.datetime) -> None:
    """One message that the program cannot handle must not hold up the others."""
    try:
        deliver(actor=actor, message=message, now=now)
    except Exception:
        log.exception("message %s", message.pk)
        _settle(actor, message, "uncertain", _DEFECT)


def _record(actor: User, message: Message, report: Report, now: dt.datetime) -> str:
    match report:
        case Sent():
            return _settle(actor, message, "sent", report.answer)
        case Failed():
            return _settle(actor, message, "failed", report.answer)
        case Uncertain():
            return _settle(actor, message, "uncertain", report.answer)
        case Again():
            again = rules.retry_at(message.attempts, now)
            if again is None:
                return _settle(actor, message, "failed", report.answer)
            return _wait(actor, message, again, attempts=message.attempts, answer=report.answer)


def _settle(actor: User, message: Message, state: str, answer: str) -> str:
    with acting(actor, durable=True):
        _claimed(message).filter(state__in=rules.leading_to(state)).update(
            state=state, finished_at=clock.now(), answer=answer
        )
    return state


def _wait(actor: User, message: Message, at: dt.datetime, *, attempts: int, answer: str = "") -> str:
    with acting(actor, durable=True):
        _claimed(message).filter(state="sending").update(
            state="pending", due_at=at, claimed_at=None, attempts=attempts, answer=answer
        )
    return "pending"


def _claimed(message: Message) -> models.QuerySet[Message]:
    """The message, as long as the claim that this worker holds is the last one."""
    return Message.objects.filter(pk=message.pk, claimed_at=message.claimed_at)
