"""The report of a serious adverse event on paper: its times apart, its clocks, what happened, what was given beside."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.casebook import wording
from trialsite.casebook.models import Record
from trialsite.core.booklet import WIDTH, Booklet
from trialsite.exports.papers import casebook
from trialsite.protocol.safety import MedicationForm
from trialsite.safety import reading

_CLOCKS: Final[Mapping[str, Promise]] = {
    "to_sponsor": gettext_lazy("To the sponsor"),
    "onward": gettext_lazy("Onward"),
    "complete": gettext_lazy("Complete report"),
}
_STATES: Final[Mapping[str, Promise]] = {
    "in_time": gettext_lazy("in time"),
    "late": gettext_lazy("late"),
    "running": gettext_lazy("running"),
    "overdue": gettext_lazy("overdue"),
    "unknown": gettext_lazy("begin unknown"),
    "not_due": gettext_lazy("not due"),
    "contradicts": gettext_lazy("before awareness"),
}
_FIVE: Final = tuple(WIDTH * part for part in (0.18, 0.22, 0.22, 0.22, 0.16))
_TWO: Final = (WIDTH * 0.3, WIDTH * 0.7)


def draw(book: Booklet, content: casebook.Content, record: Record, now: dt.datetime) -> None:
    """The report with everything that a reader of safety data needs beside it."""
    named = reading.Named()
    report = reading.report(record, named, reading.periods(), now)
    _front(book, content, report)
    _clocks(book, content, report)
    casebook.draw_record(book, content, record)
    form = named.of(record).event.form
    event = next(
        (one for one in content.records if one.form == form and one.repeat == report.case.event), None
    )
    if event is None:
        book.gap(6)
        book.text(_("The report names no adverse event record that this reader may see."), grey=True)
    else:
        casebook.draw_record(book, content, event)
    medication = named.of(record).medication
    if medication:
        _medication(book, content, medication, report.case.onset)


def _front(book: Booklet, content: casebook.Content, report: reading.Report) -> None:
    participant = content.participant
    book.heading(f"{_('Serious adverse event')} · {participant.code} · {report.record.repeat}")
    book.table(_TWO)
    book.row(_("Trial"), content.definition.id)
    book.row(_("Hospital"), f"{participant.site.code} · {participant.site.name}")
    sex = _fact(content, content.definition.sex_item)
    if sex:
        book.row(_("Sex"), sex)
    casebook.draw_arm(book, content)
    if content.arm:
        book.row(_("Handling"), _("This copy names the arm: keep it from whoever must not know it."))
    for surgery in _surgeries(content):
        days = _days(surgery, report.case.onset)
        told = str(surgery)
        if days is not None:
            told += f" · {_('onset on day {day}').format(day=days)}"
        book.row(_("Surgery"), told)


def _clocks(book: Booklet, content: casebook.Content, report: reading.Report) -> None:
    zone = content.participant.site.timezone
    book.heading(_("Periods"), level=1)
    book.table(_FIVE, (_("Report"), _("Counted from"), _("Due"), _("Done"), _("State")))
    for one in report.clocks:
        book.row(
            str(_CLOCKS[one.name]),
            casebook.moment(one.since, zone),
            casebook.moment(one.due_at, zone),
            casebook.moment(one.done_at, zone),
            str(_STATES[one.state]),
        )


def _medication(book: Booklet, content: casebook.Content, form: MedicationForm, onset: str) -> None:
    """What was given when it began, or cannot be ruled out by its dates."""
    book.heading(_("Concomitant medication at the onset"), level=1)
    given = [one for one in content.records if one.form == form.form and _may_overlap(one.data, form, onset)]
    if not given:
        book.text(_("None recorded."), grey=True)
        return
    language = get_language() or "en"
    for record in given:
        items = content.definitions[record.protocol_version_id].form(record.form).items
        told = (
            f"{item.label.to(language)}: {wording.shown(item, record.data[name])}"
            for name, item in items.items()
            if name in record.data
        )
        book.text(f"{record.repeat} · {'; '.join(told)}")


def _may_overlap(data: Mapping[str, Any], form: MedicationForm, onset: str) -> bool:
    """Partial dates count as long as they do not contradict: they are compared as far as both are told."""
    start = str(data.get(form.start, {}).get("value") or "")
    end = str(data.get(form.end, {}).get("value") or "")
    began = start[: len(onset)] <= onset[: len(start)]
    return not onset or (began and (not end or end[: len(onset)] >= onset[: len(end)]))


def _surgeries(content: casebook.Content) -> list[dt.date]:
    codes = {form.code for form in content.definition.forms if form.drives == "surgery"}
    return [one.observed_on for one in content.records if one.form in codes and one.observed_on]


def _days(surgery: dt.date, onset: str) -> int | None:
    try:
        return (dt.date.fromisoformat(onset) - surgery).days
    except ValueError:
        return None


def _fact(content: casebook.Content, reference: str | None) -> str:
    """The entry of `form.item` in words, from the newest record of that form."""
    code, _dot, name = (reference or "").partition(".")
    for record in reversed(content.records):
        if record.form == code and name in record.data:
            asked = content.definitions[record.protocol_version_id].form(code)
            return wording.shown(asked.items[name], record.data[name])
    return ""
