"""Why an export is not given."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, NotFound


class NoSuchTable(NotFound):
    """There is no such table, or it is not for this reader."""

    code = "no_such_table"
    message = _("There is no table “{table}”.")


class NotReady(Conflict):
    """The snapshot is still being written, or could not be."""

    code = "snapshot_not_ready"
    message = _("Snapshot {number} is “{state}”.")


class Damaged(Conflict):
    """The file is gone or is not the one that was written."""

    code = "snapshot_damaged"
    message = _("The file of snapshot {number} does not fit its hash. Nothing is given out.")
