"""The message that tells a trial manager of one person at two hospitals: at sending, and without any detail."""

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import override

from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.staff.access import has
from trialsite.staff.capabilities import IDENTITY_REVIEW
from trialsite.staff.models import User


def resolve(message: Message, now: dt.datetime) -> Send | Cancel:
    """The text for one trial manager, or its cancellation where the account or the role has ended."""
    user = User.objects.filter(pk=int(message.recipient.removeprefix("user:")), is_active=True).first()
    if user is None or not user.email or not has(user, IDENTITY_REVIEW):
        return Cancel(reason="recipient has no active account")
    with override(user.language):
        return Send(
            to=user.email,
            subject=_("The same person at two hospitals"),
            body=_(
                "A person who was registered now has been registered at another hospital before.\n"
                "Please look at the page “Same person” of the trial. The hospitals have not been told."
            ),
        )
