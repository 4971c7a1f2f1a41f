"""The message that tells staff of an allocation, and its text at the moment of sending. It never names the arm."""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import override

from randomization.services import Outcome
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.participants.models import Participant
from trialsite.staff.capabilities import CAPABILITIES, RANDOMIZE
from trialsite.staff.models import Membership, User


def announce_allocation(*, actor: User, participant: Participant, outcome: Outcome) -> int:
    """Put one message for each person of the hospital who may randomize; returns how many were put."""
    roles = [role for role, names in CAPABILITIES.items() if RANDOMIZE in names]
    people = (
        Membership.objects.current()
        .filter(site_id=participant.site_id, role__in=roles, user__kind=User.Kind.PERSON)
        .exclude(user__email="")
        .values_list("user_id", flat=True)
        .distinct()
    )
    for user_id in people:
        outbox.put(
            actor=actor,
            key=f"allocation:{outcome.position}:user:{user_id}:email",
            kind="allocation",
            recipient=f"user:{user_id}",
            channel="email",
            payload={
                "participant": participant.code,
                "position": outcome.position,
                "head": outcome.ledger_head,
            },
            site=participant.site,
            due_at=clock.now(),
            subject_code=participant.code,
        )
    return len(people)


def resolve_allocation(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text for one recipient, or its cancellation where the account has been closed since."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
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
