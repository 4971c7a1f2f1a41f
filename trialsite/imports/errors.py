"""Why a file is not taken."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Invalid


class FileRefused(Invalid):
    """The file as a whole cannot be read; `fields` says why. Nothing was saved."""

    code = "file_refused"
    message = _("The file cannot be read. Nothing was saved.")
