"""Windows on records and queries, worded by the protocol in force."""

from collections.abc import Mapping

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from trialsite.casebook import limits, wording
from trialsite.casebook.models import NormalLimit, Query, Record, Score
from trialsite.protocol.definition import Definition
from trialsite.protocol.windows import ProtocolWindow, by_words, events, forms
from trialsite.staff.capabilities import RECORD_VIEW


def _page(record: Record, text: str) -> SafeString:
    """A link to the page of the form, where the record is read and worked on."""
    where = (record.participant.code, record.event, record.form, record.repeat)
    return format_html('<a href="{}">{}</a>', reverse("form", args=where), text)


@admin.register(Record)
class RecordWindow(ProtocolWindow):
    """Records of forms."""

    view_capability = RECORD_VIEW
    list_display = (
        "participant",
        "event_words",
        "form_words",
        "repeat",
        "state",
        "version",
        "saved_by",
        "updated_at",
    )
    list_filter = ("state", ("event", by_words(events)), ("form", by_words(forms)), "site")
    list_select_related = ("participant", "updated_by", "site")
    search_fields = ("participant__code",)
    fields = (
        *("participant", "site", "event_words", "form_words", "repeat", "state", "version"),
        *("protocol_version", "observed_on", "entries", "saved_by", "updated_at"),
    )
    readonly_fields = ("event_words", "form_words", "entries", "saved_by")

    @admin.display(description=_("form"), ordering="form")
    def form_words(self, record: Record) -> SafeString:
        return _page(record, self.form_name(record.form))

    @admin.display(description=_("saved by"), ordering="updated_by")
    def saved_by(self, record: Record) -> str:
        return record.updated_by.full_name

    @admin.display(description=_("entries"))
    def entries(self, record: Record) -> SafeString:
        """As the form words them; by the version under which they were entered."""
        items = record.protocol_version.definition.form(record.form).items
        language = get_language() or "en"
        return format_html_join(
            "",
            "<div>{}: {}</div>",
            (
                (items[name].label.to(language), wording.shown(items[name], entry))
                if name in items
                else (name, str(entry.get("value", "–")))
                for name, entry in record.data.items()
            ),
        )


@admin.register(Query)
class QueryWindow(ProtocolWindow):
    """Queries, open and closed."""

    view_capability = RECORD_VIEW
    list_display = ("participant", "event", "form_words", "item_words", "question", "state", "created_at")
    list_filter = ("state", "origin", ("record__form", by_words(forms)), "site")
    list_select_related = ("participant", "site", "record__participant")
    search_fields = ("participant__code",)
    fields = (
        *("participant", "site", "event", "form_words", "item_words", "question", "state", "origin"),
        *("created_at", "closed_at", "closed_by"),
    )
    readonly_fields = ("event", "form_words", "item_words", "question", "created_at")

    @admin.display(description=_("event"), ordering="record__event")
    def event(self, query: Query) -> str:
        return self.event_name(query.record.event)

    @admin.display(description=_("form"), ordering="record__form")
    def form_words(self, query: Query) -> str:
        number = f" {query.record.repeat}" if query.record.repeat > 1 else ""
        return f"{self.form_name(query.record.form)}{number}"

    @admin.display(description=_("item"), ordering="item")
    def item_words(self, query: Query) -> str:
        return self.item_label(query.record.form, query.item)

    @admin.display(description=_("question"))
    def question(self, query: Query) -> SafeString:
        return _page(query.record, query.text)


def _instruments(definition: Definition | None) -> Mapping[str, str]:
    named = {code: str(words) for code, words in wording.INSTRUMENTS.items()}
    return {**forms(definition), **named}


@admin.register(Score)
class ScoreWindow(ProtocolWindow):
    """Scores as they stand."""

    view_capability = RECORD_VIEW
    list_display = (
        "participant",
        "event_words",
        "instrument_words",
        "name_words",
        "value_words",
        "algorithm",
        "computed_at",
    )
    list_filter = (("instrument", by_words(_instruments)), ("event", by_words(events)), "site")
    list_select_related = ("participant", "site")
    search_fields = ("participant__code",)
    fields = (
        *("participant", "site", "event_words", "instrument_words", "repeat", "name_words", "value_words"),
        *("algorithm", "inputs", "computed_at"),
    )
    readonly_fields = ("event_words", "instrument_words", "name_words", "value_words")

    @admin.display(description=_("instrument"), ordering="instrument")
    def instrument_words(self, score: Score) -> str:
        number = f" {score.repeat}" if score.repeat > 1 else ""
        return f"{_instruments(self.definition).get(score.instrument, score.instrument)}{number}"

    @admin.display(description=_("score"), ordering="name")
    def name_words(self, score: Score) -> str:
        return wording.score_name(self.definition, score.instrument, score.name)

    @admin.display(description=_("value"), ordering="value")
    def value_words(self, score: Score) -> str:
        return wording.score_value(score.value, score.reason)


@admin.register(NormalLimit)
class NormalLimitWindow(ProtocolWindow):
    """The register of limits of normal."""

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

    @admin.display(description=_("form"), ordering="form")
    def form_words(self, row: NormalLimit) -> str:
        return self.form_name(row.form)

    @admin.display(description=_("item"), ordering="item")
    def item_words(self, row: NormalLimit) -> str:
        return self.item_label(row.form, row.item)

    @admin.display(description=_("sex"), ordering="sex")
    def sex_words(self, row: NormalLimit) -> str:
        if not row.sex:
            return gettext("both")
        known = limits.sexes(self.definition) if self.definition else ()
        words = {choice.code: choice.label.to(get_language() or "en") for choice in known}
        return words.get(row.sex, row.sex)

    @admin.display(description=_("upper limit of normal"))
    def limit(self, row: NormalLimit) -> str:
        return f"{row.value.normalize():f} {row.unit}"
