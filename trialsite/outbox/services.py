"""Putting, claiming and delivering messages.

Claiming commits `sending` before the mail server is asked, and the fate is committed after. A worker that dies in
between leaves a `sending` that becomes *uncertain*: a person looks, nobody sends it twice by itself.
"""

import datetime as dt
import hashlib
import smtplib
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import models

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import rules
from trialsite.outbox.errors import NotToBeRetried
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Later, Send, resolve
from trialsite.staff.access import require
from trialsite.staff.capabilities import OUTBOX_SEND, REMINDER_MANAGE
from trialsite.staff.models import User

# Worth another try; anything else that the server says is final.
TEMPORARY: Final = (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, OSError)
FINAL: Final = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


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
    with acting(actor):
        Message.objects.bulk_create(
            [
                Message(
                    key=key,
                    kind=kind,
                    recipient=recipient,
                    channel=channel,
                    payload=dict(payload),
                    site_id=site.pk,
                    due_at=due_at,
                    subject_code=subject_code,
                )
            ],
            ignore_conflicts=True,
        )


def claim(*, actor: User, now: dt.datetime, limit: int = 50) -> list[int]:
    """Take up to `limit` messages that are due and commit them as `sending`; two workers never take the same."""
    with acting(actor, durable=True):
        require(actor, OUTBOX_SEND)
        ids = list(
            Message.objects.filter(state="pending", due_at__lte=now)
            .order_by("due_at", "pk")
            .select_for_update(skip_locked=True)
            .values_list("pk", flat=True)[:limit]
        )
        Message.objects.filter(pk__in=ids).update(
            state="sending", claimed_at=now, attempts=models.F("attempts") + 1
        )
    return ids


def deliver(*, actor: User, message_id: int, now: dt.datetime) -> str:
    """Ask the resolver, send, record the fate; returns the state it came to."""
    with acting(actor):
        message = Message.objects.select_related("site").get(pk=message_id)
        if message.state != "sending":
            return message.state
        answer = resolve(message, now)
    match answer:
        case Cancel(reason=reason):
            return _fate(actor, message, "cancelled", reason)
        case Later(at=at):
            return _wait(actor, message, at, counted=False)
        case Send():
            return _send(actor, message, answer, now)


def send_due(*, actor: User, now: dt.datetime) -> int:
    """Claim and deliver everything that is due; returns how many messages were handled."""
    expire_stale(actor=actor, now=now)
    handled = 0
    while ids := claim(actor=actor, now=now):
        for message_id in ids:
            deliver(actor=actor, message_id=message_id, now=now)
        handled += len(ids)
    return handled


def expire_stale(*, actor: User, now: dt.datetime) -> int:
    """Messages that a dead worker left in `sending` become *uncertain*; returns how many."""
    with acting(actor, durable=True):
        return Message.objects.filter(state="sending", claimed_at__lt=now - rules.STALE_AFTER).update(
            state="uncertain", finished_at=now, answer="the worker did not report back"
        )


def retry(*, actor: User, message: Message) -> Message:
    """A person decides that a failed or uncertain message is tried again."""
    with acting(actor):
        require(actor, REMINDER_MANAGE, site=message.site_id)
        changed = Message.objects.filter(pk=message.pk, state__in=["failed", "uncertain"]).update(
            state="pending", due_at=clock.now(), attempts=0, finished_at=None, claimed_at=None
        )
        message.refresh_from_db()
        if not changed:
            raise NotToBeRetried(state=message.get_state_display())
        return message


def message_id(key: str) -> str:
    """The Message-ID header that belongs to a key: the same at every attempt, so that a reader's program sees one."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@trialsite.invalid>"


def _send(actor: User, message: Message, content: Send, now: dt.datetime) -> str:
    mail = EmailMessage(
        content.subject,
        content.body,
        settings.DEFAULT_FROM_EMAIL,
        [content.to],
        headers={"Message-ID": message_id(message.key)},
    )
    try:
        mail.send()
    except FINAL as error:
        return _fate(actor, message, "failed", _told(error))
    except TEMPORARY as error:
        again = rules.retry_at(message.attempts, now)
        if again is None:
            return _fate(actor, message, "failed", _told(error))
        return _wait(actor, message, again, counted=True, answer=_told(error))
    return _fate(actor, message, "sent", "accepted by the mail server")


def _told(error: BaseException) -> str:
    """What went wrong, without the recipient's address."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__}{f' {code}' if code else ''}"


def _fate(actor: User, message: Message, state: str, answer: str) -> str:
    with acting(actor, durable=True):
        Message.objects.filter(pk=message.pk, state="sending").update(
            state=state, finished_at=clock.now(), answer=answer
        )
    return state


def _wait(actor: User, message: Message, at: dt.datetime, *, counted: bool, answer: str = "") -> str:
    with acting(actor, durable=True):
        attempts = message.attempts if counted else message.attempts - 1
        Message.objects.filter(pk=message.pk, state="sending").update(
            state="pending", due_at=at, claimed_at=None, attempts=attempts, answer=answer
        )
    return "pending"
