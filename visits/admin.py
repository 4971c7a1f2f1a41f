"""Window on visits."""

from django.contrib import admin

from trialsite.staff.capabilities import VISIT_VIEW
from trialsite.staff.windows import Window
from visits.models import Visit


@admin.register(Visit)
class VisitWindow(Window):
    """Visits with their windows."""

    view_capability = VISIT_VIEW
    list_display = (
        "participant",
        "code",
        "opens_on",
        "target_on",
        "closes_on",
        "state",
        "appointment_at",
        "attended_on",
    )
    list_filter = ("state", "code", "site")
    list_select_related = ("participant", "site")
    search_fields = ("participant__code",)
    date_hierarchy = "target_on"
    exclude = ("reveals_arm",)
