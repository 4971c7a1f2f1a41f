"""Windows on records and queries."""

from django.contrib import admin

from trialsite.casebook.models import Query, Record
from trialsite.staff.capabilities import RECORD_VIEW
from trialsite.staff.windows import Window


@admin.register(Record)
class RecordWindow(Window):
    """Records of forms."""

    view_capability = RECORD_VIEW
    list_display = ("participant", "event", "form", "state", "version", "updated_by", "updated_at")
    list_filter = ("state", "form", "site")
    list_select_related = ("participant", "updated_by", "site")
    search_fields = ("participant__code",)


@admin.register(Query)
class QueryWindow(Window):
    """Queries, open and closed."""

    view_capability = RECORD_VIEW
    list_display = ("participant", "item", "text", "state", "created_at")
    list_filter = ("state", "site")
    list_select_related = ("participant", "site")
    search_fields = ("participant__code",)
