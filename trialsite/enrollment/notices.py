"""The message that tells staff of an allocation, and its text at the moment of sending. It never names the arm."""

import datetime as dt
import hashlib
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import override

from randomization.services import Outcome
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.queue import enqueue_on_commit
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.outbox.tasks import send_due
from trialsite.participants.models import Participant
from trialsite.staff.capabilities import ALLOCATION_MARK, CAPABILITIES, LEDGER_ATTEST, RANDOMIZE
from trialsite.staff.models import Membership, User


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
    """Tell the trial managers that someone asked again with other stratification values; returns how many are told.

    In a transaction of its own, which must be the outermost: the refused one is rolled back. The same values are
    told once.
    """
    asked = hashlib.sha256(repr(sorted(strata.items())).encode()).hexdigest()[:16]
    with acting(actor, durable=True):
        people = (
            Membership.objects.current()
            .filter(role__in=_holding(ALLOCATION_MARK), site=None, user__kind=User.Kind.PERSON)
            .exclude(user__email="")
            .values_list("user_id", flat=True)
            .distinct()
        )
        for user_id in people:
            outbox.put(
                actor=actor,
                key=f"other-strata:{participant.code}:{asked}:user:{user_id}:email",
                kind="other_strata",
                recipient=f"user:{user_id}",
                channel="email",
                payload={"participant": participant.code, "asked": actor.username},
                site=participant.site,
                due_at=clock.now(),
                subject_code=participant.code,
            )
        enqueue_on_commit(send_due)
    return len(people)


def resolve_other_strata(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text of that alert; the values themselves stay in the trial's pages."""
    user = _recipient(message)
    if user is None:
        return Cancel(reason="recipient has no active account")
    with override(user.language):
        return Send(
            to=user.email,
            subject=_("Other stratification values: {participant}").format(**message.payload),
            body=_(
                "{participant} is randomized. {asked} asked for a randomization once more, with other"
                " stratification values.\n"
                "It was refused; the allocation stands. Please find out which values are true, and mark the"
                " allocation as randomized in error where it was made under wrong ones."
            ).format(**message.payload),
        )


def _holding(capability: str) -> list[str]:
    return [role for role, names in CAPABILITIES.items() if capability in names]


def _recipient(message: Message) -> User | None:
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    return user if user and user.email else None


def resolve_allocation(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text for one recipient, or its cancellation where the account has been closed since."""
    user = _recipient(message)
    if user is None:
        return Cancel(reason="recipient has no active account")
    with override(user.language):
        return Send(
            to=user.email,
            subject=_("Randomized: {participant}").format(**message.payload),
            body=_(
                "{participant} has been randomized.\n"
                "Position in the ledger: {position}\n"
                "Head of the ledger: {head}\n\n"
                "The allocation is shown on the participant's page to those who may see it.\n"
                "Please keep this message: it is a witness of the ledger."
            ).format(**message.payload),
        )
