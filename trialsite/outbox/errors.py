"""What a person may not do with a message."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import OutOfOrder


class NotToBeRetried(OutOfOrder):
    """Only a failed or uncertain message is tried again by a person."""

    code = "message_not_retried"
    message = _("A message that is “{state}” is not sent again.")


class NotToBeClosed(OutOfOrder):
    """Only a failed or uncertain message is given up; only an uncertain one turns out to be delivered."""

    code = "message_not_closed"
    message = _("A message that is “{state}” cannot be closed in this way.")
