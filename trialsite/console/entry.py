"""Forms of the protocol as pages: what to draw for each item, and what was posted as values for the service."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import get_language

from trialsite.casebook.findings import worded
from trialsite.casebook.models import Lock, Query, Verification
from trialsite.casebook.rules import entered
from trialsite.casebook.units import in_words
from trialsite.casebook.wording import MISSING
from trialsite.core import clock
from trialsite.protocol.definition import Form, Item, Range
from trialsite.protocol.expression import plain

MOST_CHOICES_AS_BUTTONS = 5


@dataclass(frozen=True)
class Mark:
    """What readers left at an item; and where two saved at once, what the other one saved beside one's own."""

    queries: Sequence[Query] = ()
    closed: Sequence[Query] = ()
    verification: Verification | None = None
    lock: Lock | None = None
    theirs: str | None = None
    yours: str = ""


@dataclass(frozen=True)
class Field:
    """One item as it is drawn."""

    item: Item
    label: str
    kind: str
    value: str
    chosen: tuple[str, ...]
    missing: str
    unit: str
    uln: str
    uln_from: str
    choices: tuple[tuple[str, str], ...]
    hint: str
    errors: tuple[str, ...]
    mark: Mark
    must: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """The units to choose from; those that are refused too, so that whoever has one is told why."""
        return (*self.item.accepted_units, *self.item.refused_units)

    @property
    def reasons(self) -> tuple[tuple[str, Promise], ...]:
        """Why there may be no answer; none where a step rests on the answer."""
        return () if self.must else MISSING


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    label: str
    fields: tuple[Field, ...]


def parts(
    form: Form,
    values: Mapping[str, Any],
    errors: Mapping[str, list[str]] | None = None,
    marks: Mapping[str, Mark] | None = None,
    *,
    zone: str,
) -> list[Part]:
    """The sections of `form` with `values` (stored or as posted), errors and marks beside the items."""
    language = get_language() or "en"
    return [
        Part(
            section.label.to(language),
            tuple(
                _field(
                    item,
                    values.get(item.name),
                    (errors or {}).get(item.name, []),
                    (marks or {}).get(item.name, Mark()),
                    zone,
                    must=item.needed,
                )
                for item in section.items
            ),
        )
        for section in form.sections
    ]


def posted(form: Form, data: QueryDict, zone: str) -> dict[str, Any]:
    """What was posted, in the shape that `casebook.services.save_record` takes; empty fields are left out.

    An instant is entered as the clock on the wall in `zone` shows it.
    """
    found: dict[str, Any] = {}
    for name, item in form.items.items():
        if item.derive:
            continue
        # Browsers end the lines of a longer text by CR LF; it is kept as programs send it.
        text = data.get(name, "").strip().replace("\r\n", "\n")
        missing = data.get(f"{name}__missing")
        if missing:
            # With both, whoever saves refuses: which of the two was meant?
            found[name] = {"missing": missing} | ({"value": text} if text else {})
        elif not text:
            continue
        elif item.type == "multichoice":
            found[name] = data.getlist(name)
        elif item.type == "boolean":
            found[name] = {"true": True, "false": False}.get(text, text)
        elif item.type in ("integer", "decimal"):
            found[name] = _number(name, text, data)
        elif item.type == "datetime":
            found[name] = _instant(text, zone)
        else:
            found[name] = text
    return found


def _number(name: str, text: str, data: QueryDict) -> dict[str, str]:
    entry = {"value": text}
    for key in ("unit", "uln"):
        given = data.get(f"{name}__{key}", "").strip()
        if given:
            entry[key] = given
    return entry


def _instant(text: str, zone: str) -> str:
    """With the offset that `zone` has then; what is no instant is left for whoever saves to refuse."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.isoformat() if at.tzinfo else clock.wall(at, zone).isoformat()


def _on_the_wall(value: Any, zone: str) -> Any:
    """A stored instant as a field for date and time takes it; anything else as it is."""
    try:
        at = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return (clock.local(at, zone) if at.tzinfo else at).replace(tzinfo=None).isoformat()


def as_stored(form: Form, values: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`values`, where what means the same as the stored `data` stays as it was written.

    That is an instant stored with another offset, and a sentence of the software read in another language.
    """
    stored = entered(data, form)
    instants = [name for name, item in form.items.items() if item.type == "datetime"]
    same = {name: stored[name] for name in instants if _same_instant(values.get(name), stored.get(name))}
    found = [name for name in stored if "told" in data[name]]
    same |= {name: stored[name] for name in found if values.get(name) == worded(data[name])}
    return {**values, **same}


def _same_instant(one: Any, other: Any) -> bool:
    try:
        return dt.datetime.fromisoformat(one) == dt.datetime.fromisoformat(other)
    except (TypeError, ValueError):
        return False


def _field(item: Item, value: Any, errors: list[str], mark: Mark, zone: str, *, must: bool) -> Field:
    language = get_language() or "en"
    stored = value if isinstance(value, Mapping) else {"value": value}
    plain_value = stored.get("value")
    chosen = tuple(plain_value) if isinstance(plain_value, list | tuple) else ()
    if isinstance(plain_value, bool):
        plain_value = "true" if plain_value else "false"
    if item.type == "datetime":
        plain_value = _on_the_wall(plain_value, zone)
    return Field(
        item=item,
        label=item.label.to(language),
        kind=_kind(item),
        value=worded(stored)
        or ("" if plain_value is None or chosen else f"{stored.get('sign', '')}{plain_value}"),
        chosen=chosen,
        missing=str(stored.get("missing") or ""),
        unit=str(stored.get("unit") or item.unit or ""),
        uln="" if stored.get("uln_from") else str(stored.get("uln") or ""),
        uln_from=str(stored.get("uln") or "") if stored.get("uln_from") else "",
        choices=tuple((choice.code, choice.label.to(language)) for choice in item.choices),
        hint=_hint(item.soft or item.hard, item.unit),
        errors=tuple(errors),
        mark=mark,
        must=must,
    )


def _kind(item: Item) -> str:
    if item.derive:
        return "computed"
    if item.type in ("integer", "decimal"):
        return "number"
    if item.type == "choice":
        return "buttons" if len(item.choices) <= MOST_CHOICES_AS_BUTTONS else "select"
    if item.type == "date":
        return "partial" if item.partial else "date"
    return item.type


def _hint(limits: Range | None, unit: str | None) -> str:
    if limits is None:
        return ""
    low, high = ("" if end is None else plain(end) for end in (limits.low, limits.high))
    return f"{low}–{high} {in_words(unit)}".strip()
