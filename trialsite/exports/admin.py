"""Window on snapshots."""

from django.contrib import admin

from trialsite.exports.models import Snapshot
from trialsite.staff.capabilities import DATA_EXPORT
from trialsite.staff.windows import Window


@admin.register(Snapshot)
class SnapshotWindow(Window):
    """Snapshots and their hashes."""

    view_capability = DATA_EXPORT
    list_display = ("id", "purpose", "format", "state", "shows_arms", "requested_by", "created_at", "sha256")
    list_filter = ("state", "format")
    list_select_related = ("requested_by",)
