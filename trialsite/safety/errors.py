"""Why a step of a safety report is not taken."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid


class StillOpen(Conflict):
    """A case is closed only when all its reports are made and its outcome stands."""

    code = "still_open"
    message = _("A case is closed when all reports that are due have been made and the outcome is final.")


class TimeRefused(Invalid):
    """The time of a report lies before the event was known, or in the future."""

    code = "time_refused"
    message = _("This time cannot be: it lies before the hospital became aware, or in the future.")
