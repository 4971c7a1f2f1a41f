"""Putting messages: one, one for each holder of a role, or the present rung of an escalation."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import models

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import rules
from trialsite.outbox.models import Message, Preference
from trialsite.staff.models import Membership, User


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
    _write(actor, [message])


def _write(actor: User, messages: Sequence[Message]) -> None:
    """All in one statement; what has a known key is passed over."""
    with acting(actor):
        Message.objects.bulk_create(messages, ignore_conflicts=True)


def tell(
    *,
    actor: User,
    roles: Sequence[str],
    key: str,
    kind: str,
    payload: Mapping[str, Any],
    site: models.Model,
    subject_code: str,
    due_at: dt.datetime | None = None,
) -> int:
    """Put one mail for each person who holds one of `roles` at `site`; returns how many people are told.

    The key of each is `key` with the person added, so that telling again writes nothing. People without an address
    and those who have refused an optional kind are passed over.
    """
    people = (
        Membership.objects.current()
        .filter(
            models.Q(site_id=site.pk) | models.Q(site_id=None),
            role__in=roles,
            user__kind=User.Kind.PERSON,
        )
        .exclude(user__email="")
        .values_list("user_id", flat=True)
        .distinct()
    )
    if kind in settings.OUTBOX_OPTIONAL:
        people = people.exclude(
            user_id__in=Preference.objects.filter(kind=kind, wanted=False).values("user_id")
        )
    told = sorted(people)
    due_at = due_at or clock.now()
    messages = [
        Message(
            key=f"{key}:user:{user_id}:email",
            kind=kind,
            recipient=f"user:{user_id}",
            channel="email",
            payload=dict(payload),
            site_id=site.pk,
            due_at=due_at,
            subject_code=subject_code,
        )
        for user_id in told
    ]
    if messages:
        _write(actor, messages)
    return len(told)


def escalate(
    *,
    actor: User,
    ladder: Sequence[rules.Rung],
    since: dt.datetime,
    now: dt.datetime,
    key: str,
    kind: str,
    payload: Mapping[str, Any],
    site: models.Model,
    subject_code: str,
) -> int:
    """Tell the rung whose turn it is for something open `since`; where nobody holds its role, the rung above.

    Called again and again by a planner: each rung speaks once per person. Returns how many people are told.
    """
    turn = rules.climbed(ladder, since, now)
    if turn is None:
        return 0
    above = sorted((rung for rung in ladder if rung.after >= turn.after), key=lambda rung: rung.after)
    for rung in above:
        told = tell(
            actor=actor,
            roles=[rung.role],
            key=f"{key}:{turn.role}",
            kind=kind,
            payload=dict(payload) | {"role": rung.role},
            site=site,
            subject_code=subject_code,
            due_at=now,
        )
        if told:
            return told
    return 0
