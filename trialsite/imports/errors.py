"""Why a file is not taken."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Invalid, OutOfOrder


class FileRefused(Invalid):
    """The file as a whole cannot be read; `fields` says why. Nothing was saved."""

    code = "file_refused"
    message = _("The file cannot be read. Nothing was saved.")


class NotTried(OutOfOrder):
    """Only a dry run that has come to its end is saved for good."""

    code = "import_not_tried"
    message = _("Only a file that was tried to its end can be saved for good.")
