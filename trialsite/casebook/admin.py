"""Windows on records and queries."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from trialsite.casebook import limits
from trialsite.casebook.models import NormalLimit, Query, Record, Score
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.models import ProtocolVersion
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

    definition: Definition | None = None
    view_capability = RECORD_VIEW
    list_display = (
        "site",
        "form_words",
        "item_words",
        "sex_words",
        "limit",
        "valid_from",
        "valid_until",
        "source",
        "entered_by",
        "withdrawn_at",
    )
    list_filter = ("site", "item")
    list_select_related = ("site", "entered_by")

    def get_queryset(self, request: HttpRequest) -> Any:
        """The rows; the protocol by which they are worded is read once, not for each of them."""
        version = ProtocolVersion.objects.current()
        self.definition = version.definition if version else None
        return super().get_queryset(request)

    @admin.display(description=_("form"), ordering="form")
    def form_words(self, row: NormalLimit) -> str:
        form = self._form(row)
        return form.name.to(get_language() or "en") if form else row.form

    @admin.display(description=_("item"), ordering="item")
    def item_words(self, row: NormalLimit) -> str:
        """The label beside the code; the code alone where the present version has no such item."""
        form = self._form(row)
        item = form.items.get(row.item) if form else None
        return f"{item.label.to(get_language() or 'en')} ({row.item})" if item else row.item

    @admin.display(description=_("sex"), ordering="sex")
    def sex_words(self, row: NormalLimit) -> str:
        if not row.sex:
            return gettext("both")
        known = limits.sexes(self.definition) if self.definition else ()
        words = {choice.code: choice.label.to(get_language() or "en") for choice in known}
        return words.get(row.sex, row.sex)

    def _form(self, row: NormalLimit) -> Form | None:
        known = self.definition.forms if self.definition else ()
        return next((form for form in known if form.code == row.form), None)

    @admin.display(description=_("upper limit of normal"))
    def limit(self, row: NormalLimit) -> str:
        return f"{row.value.normalize():f} {row.unit}"
