"""Windows of rooms that lie below the permission file."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from trialsite.audit.models import Seal
from trialsite.staff.capabilities import SEAL_VIEW
from trialsite.staff.windows import Window

admin.site.index_title = _("Dashboard")


@admin.register(Seal)
class SealWindow(Window):
    """Seals of the trail; the hash of the newest is its head, which is mailed and can be compared."""

    view_capability = SEAL_VIEW
    list_display = ("id", "sealed_at", "events", "hash")
