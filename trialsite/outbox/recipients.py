"""The member of staff whom a message is for, read again when it leaves."""

from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_noop

from trialsite.outbox.models import Message, Preference
from trialsite.outbox.resolvers import Cancel
from trialsite.staff.models import User

NO_ACCOUNT: Final = Cancel(gettext_noop("the recipient has no active account"))
NO_ROLE: Final = Cancel(gettext_noop("the recipient no longer has this role"))
REFUSED: Final = Cancel(gettext_noop("the recipient wants no messages of this kind"))


def reader(message: Message, *, role: str = "") -> User | Cancel:
    """The person, or why nobody is written to: no account, no `role` at the message's hospital any more, refused."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email:
        return NO_ACCOUNT
    here = Q(site_id=None) | Q(site_id=message.site_id)
    if role and not user.memberships.current().filter(here, role=role).exists():
        return NO_ROLE
    if message.kind in settings.OUTBOX_OPTIONAL and Preference.objects.refuses(user, message.kind):
        return REFUSED
    return user
