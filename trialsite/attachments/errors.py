"""Why a file is not taken or not given out."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid, OutOfOrder


class NotAccepted(Invalid):
    """The file is too large, or not a plain PDF, JPEG or PNG; `fields` says which."""

    code = "file_not_accepted"
    message = _("This file cannot be attached. Nothing was saved.")


class TooMany(Conflict):
    """So many files at one place are a mistake."""

    code = "too_many_attachments"
    message = _("There are {most} files here already.")


class AlreadyWithdrawn(OutOfOrder):
    """Its content is given out no more."""

    code = "attachment_withdrawn"
    message = _("This file was withdrawn: {reason}")


class Damaged(Conflict):
    """The bytes do not fit the hash that was taken when the file came."""

    code = "attachment_damaged"
    message = _("The stored file does not fit its hash and is not given out. Tell the administrator.")
