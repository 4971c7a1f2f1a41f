"""Windows on the scheme and the ledger: states, hashes and positions; arms only for those who may see them."""

from django.contrib import admin

from randomization.models import Allocation, Scheme
from trialsite.staff.capabilities import LEDGER_VIEW
from trialsite.staff.windows import Window


@admin.register(Scheme)
class SchemeWindow(Window):
    """The trial's randomization."""

    view_capability = LEDGER_VIEW
    views_recorded = True
    list_display = ("trial", "environment", "state", "position", "total_cap", "head")
    exclude = ("arms",)


@admin.register(Allocation)
class AllocationWindow(Window):
    """The ledger. The arm stands on the participant's page."""

    view_capability = LEDGER_VIEW
    views_recorded = True
    list_display = ("position", "participant", "site", "kind", "allocated_at", "allocated_by", "hash")
    list_select_related = ("participant", "site", "allocated_by")
    list_filter = ("site", "kind")
    fields = (
        "position",
        "participant",
        "site",
        "kind",
        "index",
        "allocated_at",
        "opened_at",
        "allocated_by",
        "previous_hash",
        "hash",
    )
