"""What a participant's state forbids."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, OutOfOrder


class StepNotPossible(OutOfOrder):
    """The status cannot change this way."""

    code = "status_not_reachable"
    message = _("{participant} is “{status}” and cannot become “{wanted}”.")


class ConsentDiffers(Conflict):
    """A consent to this version is recorded with other times."""

    code = "consent_differs"
    message = _("The consent of {participant} to version {version} is already recorded with other content.")


class ContactErased(Conflict):
    """The contact details were erased for good."""

    code = "contact_erased"
    message = _("The contact details of {participant} were erased. They cannot be entered again.")
