"""Window on protocol versions."""

from django.contrib import admin

from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.capabilities import PROTOCOL_VIEW
from trialsite.staff.windows import Window


@admin.register(ProtocolVersion)
class ProtocolVersionWindow(Window):
    """Loaded versions with their hash."""

    view_capability = PROTOCOL_VIEW
    list_display = ("trial_id", "version", "sha256", "created_at", "loaded_by")
    list_select_related = ("loaded_by",)
