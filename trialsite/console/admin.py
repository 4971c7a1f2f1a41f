"""Windows of rooms that lie below the permission file."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from trialsite.audit.models import Event, Seal
from trialsite.staff.capabilities import AUDIT_VIEW
from trialsite.staff.windows import Window

admin.site.index_title = _("Dashboard")


@admin.register(Event)
class EventWindow(Window):
    """The audit trail. The table's policy decides which rows its reader sees."""

    view_capability = AUDIT_VIEW
    list_display = ("at", "actor_id", "roles", "action", "table_name", "row_key", "reason", "application")
    list_filter = ("action", "table_name", "application")
    search_fields = ("row_key", "reason")
    date_hierarchy = None
    show_full_result_count = False


@admin.register(Seal)
class SealWindow(Window):
    """Seals of the trail; the hash of the newest is its head, which is mailed and can be compared."""

    view_capability = AUDIT_VIEW
    list_display = ("id", "sealed_at", "events", "hash")
