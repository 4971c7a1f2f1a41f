"""Reviews of access that are late: the principal investigator is told, later the trial managers, who may sign too."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from django.db.models import Max, Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Answer, Cancel, Send
from trialsite.roster.models import AccessReview
from trialsite.roster.rules import LATE_REVIEW, REVIEW_EVERY
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import Membership, User

_NOBODY: Final = Cancel(gettext_noop("the recipient no longer has this role"))
_SIGNED: Final = Cancel(gettext_noop("the review was signed meanwhile"))


def plan(*, actor: User, now: dt.datetime) -> int:
    """Tell whose turn it is for each late review; again and again. Returns how many people are told, told ones too."""
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        return sum(
            outbox.escalate(
                actor=actor,
                ladder=LATE_REVIEW,
                since=since,
                now=now,
                key=f"access_review:{site.code}:{since.date().isoformat()}",
                kind="access_review",
                payload={"due": since.isoformat()},
                site=site,
                subject_code="",
            )
            for site, since in late(now)
        )


def late(now: dt.datetime) -> Iterator[tuple[Site, dt.datetime]]:
    """Each hospital that is open whose review is late, and since when; the first counts from the first role there."""
    reviewed = dict(AccessReview.objects.order_by().values_list("site").annotate(Max("reviewed_at")))
    begun = dict(
        Membership.objects.filter(user__kind=User.Kind.PERSON)
        .exclude(site=None)
        .order_by()
        .values_list("site")
        .annotate(Min("starts_at"))
    )
    for site in Site.objects.filter(state__in=[Site.State.ACTIVE, Site.State.PAUSED]):
        last = reviewed.get(site.pk) or begun.get(site.pk)
        if last is not None and last + REVIEW_EVERY < now:
            yield site, last + REVIEW_EVERY


def resolve(message: Message, now: dt.datetime) -> Answer:
    """The text for one recipient; its cancellation where the review was signed, or it is no longer theirs."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return _NOBODY
    held = Membership.objects.current().filter(user=user, role=message.payload["role"])
    if not any(one.site_id in (None, message.site_id) for one in held):
        return _NOBODY
    due = {site.pk: since for site, since in late(now)}.get(message.site_id)
    if due is None or due.isoformat() != message.payload["due"]:
        return _SIGNED
    with override(user.language):
        return Send(
            user.email,
            _("Review of access is late: {site}").format(site=message.site.name),
            _(
                "Everybody's access to {site} was to be looked through by {due}.\n"
                "Please look through the page *Access*, end what is no longer needed, and sign the review."
            ).format(site=message.site.name, due=clock.local_date(due, message.site.timezone).isoformat()),
        )
