"""Windows on records and queries."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.models import NormalLimit, Query, Record, Score
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
    list_display = ("participant", "event", "form_code", "item", "question", "state", "created_at")
    list_filter = ("state", "site")
    list_select_related = ("participant", "site", "record")
    search_fields = ("participant__code",)

    @admin.display(description=_("event"))
    def event(self, query: Query) -> str:
        return query.record.event

    @admin.display(description=_("form"))
    def form_code(self, query: Query) -> str:
        return query.record.form

    @admin.display(description=_("question"))
    def question(self, query: Query) -> str:
        return query.text


@admin.register(Score)
class ScoreWindow(Window):
    """Scores as they stand."""

    view_capability = RECORD_VIEW
    list_display = (
        "participant",
        "event",
        "instrument",
        "name",
        "value",
        "reason",
        "algorithm",
        "computed_at",
    )
    list_filter = ("instrument", "event", "site")
    list_select_related = ("participant", "site")
    search_fields = ("participant__code",)


@admin.register(NormalLimit)
class NormalLimitWindow(Window):
    """The register of limits of normal."""

    view_capability = RECORD_VIEW
    list_display = (
        "site",
        "form",
        "item",
        "sex",
        "limit",
        "valid_from",
        "valid_until",
        "source",
        "entered_by",
        "withdrawn_at",
    )
    list_filter = ("site", "item")
    list_select_related = ("site", "entered_by")

    @admin.display(description=_("upper limit of normal"))
    def limit(self, row: NormalLimit) -> str:
        return f"{row.value.normalize():f} {row.unit}"
