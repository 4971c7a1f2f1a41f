"""The mail with the link that lets a person set the own passphrase. The link is made when the mail leaves."""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import override

from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.sites.models import Site
from trialsite.staff import accounts
from trialsite.staff.models import Membership, User


def invite(*, actor: User, user: User, email: str = "") -> None:
    """Send `user` a link, at the first time or after a forgotten passphrase. Older links end.

    `email` corrects the address of an account that nobody has used yet.
    """
    if email and email != user.email:
        user = accounts.correct_address(actor=actor, user=user, email=email)
    at = accounts.mark_invited(actor=actor, user=user)
    outbox.put(
        actor=accounts.door_keeper(),
        key=f"invitation:{user.pk}:{int(at.timestamp() * 1000)}",
        kind="invitation",
        recipient=f"user:{user.pk}",
        channel="email",
        payload={"user": user.pk, "invited_at": at.isoformat()},
        site=_hospital_of(user),
        due_at=clock.now(),
        subject_code=user.username,
    )


def resolve(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text with a fresh link, or the cancellation where the invitation was used, replaced or withdrawn."""
    user = accounts.resolve_invitation_for(message.payload["user"])
    if (
        user is None
        or user.invited_at is None
        or user.invited_at.isoformat() != message.payload["invited_at"]
    ):
        return Cancel(reason="recipient has no active account")
    with override(user.language):
        return Send(
            to=user.email,
            subject=_("TrialSite: set your passphrase"),
            body=_(
                "An administrator of TrialSite has sent you this link. With it you set your own passphrase, once, "
                "within three days:\n\n{link}\n\nYour user name: {username}\n"
                "If you did not expect this mail, do not follow the link, and tell your administrator."
            ).format(link=accounts.link(user), username=user.username),
        )


def _hospital_of(user: User) -> Site:
    """Messages belong to a hospital: the person's own, or the first of the trial for those who work for all."""
    own = Membership.objects.filter(user=user, site__isnull=False).values_list("site_id", flat=True).first()
    sites = Site.objects.order_by("code")
    return sites.get(pk=own) if own else sites[0]
