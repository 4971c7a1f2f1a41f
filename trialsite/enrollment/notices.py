"""The message that tells staff of an allocation, and its text at the moment of sending. It never names the arm."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from randomization.services import Outcome
from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.queue import enqueue_on_commit
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.outbox.tasks import send_due
from trialsite.participants.models import Participant
from trialsite.staff.capabilities import (
    ALLOCATION_MARK,
    CAPABILITIES,
    LEDGER_ATTEST,
    RANDOMIZE,
    SEQUENCE_MANAGE,
)
from trialsite.staff.models import User

# Of what somebody asked for, as much stands in the trail.
_LONGEST: Final = 1000


def announce_allocation(*, actor: User, participant: Participant, outcome: Outcome) -> int:
    """Put one message for each person who may randomize there, and who may be asked to attest the ledger.

    After a restored backup two people must enter the last mailed head: the statistician and the trial managers hold
    the mails of every hospital, its principal investigator those of the own one. Returns how many were put.
    """
    return outbox.tell(
        actor=actor,
        roles=sorted({*_holding(RANDOMIZE), *_holding(LEDGER_ATTEST)}),
        key=f"allocation:{outcome.position}",
        kind="allocation",
        payload={
            "participant": participant.code,
            "position": outcome.position,
            "head": outcome.ledger_head,
        },
        site=participant.site,
        subject_code=participant.code,
    )


def alert_other_strata(*, actor: User, participant: Participant, strata: Mapping[str, str]) -> int:
    """Tell trial managers and principal investigator that someone asked again with other stratification values.

    In a transaction of its own, which must be the outermost: the refused one is rolled back. The trail keeps the values
    of every attempt; of the same values people are told once. Returns how many people are told.
    """
    asked = "; ".join(f"{name}={level}" for name, level in sorted(strata.items()))
    digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
    with acting(actor, durable=True):
        note(
            actor=actor,
            action="strata_refused",
            about="randomization_allocation",
            site=participant.site_id,
            participant=participant.pk,
            details={"asked": asked[:_LONGEST]},
        )
        return _alert(actor, participant, "other_strata", f"other-strata:{participant.code}:{digest}")


def alert_envelope_refused(*, actor: User, participant: Participant, number: int) -> int:
    """Tell statisticians, trial managers and principal investigator that an envelope was entered as it is not.

    As `alert_other_strata`: the trail keeps every attempt, people are told once a day. Neither says what was tried.
    """
    with acting(actor, durable=True):
        note(
            actor=actor,
            action="envelope_refused",
            about="randomization_envelope",
            key=number,
            site=participant.site_id,
            participant=participant.pk,
        )
        key = f"envelope-refused:{participant.code}:{number}:{clock.today(participant.site.timezone)}"
        return _alert(actor, participant, "envelope_refused", key, SEQUENCE_MANAGE, number=number)


def _alert(
    actor: User, participant: Participant, kind: str, key: str, *capabilities: str, **said: Any
) -> int:
    holding = {role for capability in (ALLOCATION_MARK, *capabilities) for role in _holding(capability)}
    enqueue_on_commit(send_due)
    return outbox.tell(
        actor=actor,
        roles=sorted(holding),
        key=key,
        kind=kind,
        payload={"participant": participant.code, "asked": actor.username, **said},
        site=participant.site,
        subject_code=participant.code,
    )


def resolve_other_strata(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text of that alert; the values themselves stay in the trial's pages."""
    return _mail(
        message,
        _("Other stratification values: {participant}"),
        _(
            "{participant} is randomized. {asked} asked for a randomization once more, with other"
            " stratification values.\n"
            "It was refused; the allocation stands. Please find out which values are true, and mark the"
            " allocation as randomized in error where it was made under wrong ones."
        ),
    )


def resolve_envelope_refused(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text of that alert."""
    return _mail(
        message,
        _("Envelope refused: {participant}"),
        _(
            "{asked} wanted to enter envelope {number} for {participant}, with a check code or an arm that it does"
            " not hold.\n"
            "It was refused and nothing was allocated. Please have the paper shown to you: whoever enters an"
            " envelope without it tries to choose an arm."
        ),
    )


def _holding(capability: str) -> list[str]:
    return [role for role, names in CAPABILITIES.items() if capability in names]


def _mail(message: Message, subject: Promise, body: Promise) -> Send | Cancel:
    """The mail in its recipient's language, or its cancellation where the account has been closed since."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return Cancel(reason="recipient has no active account")
    with override(user.language):
        return Send(
            to=user.email,
            subject=str(subject).format(**message.payload),
            body=str(body).format(**message.payload),
        )


def resolve_allocation(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text for one recipient, or its cancellation where the account has been closed since."""
    return _mail(
        message,
        _("Randomized: {participant}"),
        _(
            "{participant} has been randomized.\n"
            "Position in the ledger: {position}\n"
            "Head of the ledger: {head}\n\n"
            "The allocation is shown on the participant's page to those who may see it.\n"
            "Please keep this message: it is a witness of the ledger."
        ),
    )
