"""Why a file, or a row of it, is not taken."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import DomainError, Invalid, OutOfOrder


class FileRefused(Invalid):
    """The file as a whole cannot be read; `fields` says why. Nothing was saved."""

    code = "file_refused"
    message = _("The file cannot be read. Nothing was saved.")


class NotTried(OutOfOrder):
    """Only a dry run that has come to its end is saved for good."""

    code = "import_not_tried"
    message = _("Only a file that was tried to its end can be saved for good.")


class Defect(DomainError):
    """The program failed at a row."""

    code = "defect"
    message = _("The program failed at this row. Nothing of it was saved.")


class RefusedByDatabase(DomainError):
    """A guard of the database refused a row that the program had let pass."""

    code = "database_refused"
    message = _("The database refused this row. Nothing of it was saved.")
