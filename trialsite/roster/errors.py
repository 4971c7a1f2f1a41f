"""What the delegation log and the review of access refuse."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, OutOfOrder


class NotOfTheHospital(Invalid):
    """A task for someone without a role at the hospital."""

    code = "not_of_the_hospital"
    message = _("{person} has no role at {site} at present.")


class DelegatedAlready(Conflict):
    """The person has the task already."""

    code = "delegated_already"
    message = _("{person} is already authorised for: {tasks}.")


class EndedAlready(OutOfOrder):
    """The authorisation has ended before."""

    code = "ended_already"
    message = _("This authorisation has ended already.")
