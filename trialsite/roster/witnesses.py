"""The head of the trail leaves the building each day: mailed copies are witnesses that its end was not cut."""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import override

from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import Membership, User

ROLES = ("trial_manager", "auditor", "pi")


def mail_head(*, actor: User, now: dt.datetime) -> int:
    """Put one message of the day with the newest head for each witness; a second call that day puts none."""
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        newest = Seal.objects.first()
        first = Site.objects.order_by("number").first()
        if newest is None or first is None:
            return 0
        people = Membership.objects.current().filter(role__in=ROLES).exclude(user__email="")
        day = clock.local_date(now, first.timezone)
        told = set()
        for one in people.select_related("site").order_by("user_id"):
            if one.user_id in told:
                continue
            told.add(one.user_id)
            outbox.put(
                actor=actor,
                key=f"head:{day.isoformat()}:user:{one.user_id}:email",
                kind="trail_head",
                recipient=f"user:{one.user_id}",
                channel="email",
                payload={"seal": newest.pk, "head": newest.hash, "sealed_at": newest.sealed_at.isoformat()},
                # A message belongs to a hospital; that of people who work at all of them, to the first.
                site=one.site or first,
                due_at=now,
                subject_code="",
            )
        return len(told)


def resolve(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text for one witness, or its cancellation where they are none any more."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return Cancel(reason="recipient has no active account")
    if not user.memberships.current().filter(role__in=ROLES).exists():
        return Cancel(reason="the recipient no longer has this role")
    with override(user.language):
        return Send(
            to=user.email,
            subject=_("Head of the audit trail: seal {seal}").format(**message.payload),
            body=_(
                "Seal: {seal}\n"
                "Sealed at (UTC): {sealed_at}\n"
                "Head: {head}\n\n"
                "Please keep this message: it is a witness of the audit trail. Whoever verifies the trail can ask "
                "whether this head still stands in it."
            ).format(**message.payload),
        )
