"""The difference of two protocol versions in the reader's words."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.protocol.definition import Text
from trialsite.protocol.differences import Change, Difference, is_text

PARTS: Final[Mapping[str, Promise]] = {
    "trial": gettext_lazy("Trial"),
    "settings": gettext_lazy("Setting"),
    "sites": gettext_lazy("Hospital"),
    "criteria": gettext_lazy("Criterion"),
    "visits": gettext_lazy("Visit"),
    "forms": gettext_lazy("Form"),
    "items": gettext_lazy("Item"),
    "reminders": gettext_lazy("Reminder"),
}
# The fields that amendments touch most; any other is shown by the name that it has in the protocol's files.
FIELDS: Final[Mapping[str, Promise]] = {
    "accepted_units": gettext_lazy("accepted units"),
    "after": gettext_lazy("window: days after"),
    "anchor": gettext_lazy("counts from"),
    "arms": gettext_lazy("arms"),
    "before": gettext_lazy("window: days before"),
    "body": gettext_lazy("text"),
    "cap": gettext_lazy("cap"),
    "checks": gettext_lazy("checks"),
    "choices": gettext_lazy("choices"),
    "day": gettext_lazy("target day"),
    "forms": gettext_lazy("forms"),
    "hard": gettext_lazy("hard range"),
    "label": gettext_lazy("label"),
    "message": gettext_lazy("message"),
    "months": gettext_lazy("target month"),
    "name": gettext_lazy("name"),
    "needed": gettext_lazy("needs an answer"),
    "order": gettext_lazy("order"),
    "reading": gettext_lazy("our reading"),
    "required": gettext_lazy("required"),
    "rule": gettext_lazy("rule"),
    "show_if": gettext_lazy("asked only if"),
    "soft": gettext_lazy("soft range"),
    "subject": gettext_lazy("subject"),
    "target": gettext_lazy("target"),
    "title": gettext_lazy("wording"),
    "total_cap": gettext_lazy("total cap"),
    "type": gettext_lazy("type"),
    "unit": gettext_lazy("unit"),
    "valid_days": gettext_lazy("valid for days"),
    "value": gettext_lazy("value"),
    "weeks": gettext_lazy("target week"),
}


@dataclass(frozen=True)
class Row:
    """One entry that differs: its part, code and title, `kind`, and (field, before, after) of each value."""

    part: str
    code: str
    title: str
    kind: str
    values: list[tuple[str, str, str]]


def worded(differences: Iterable[Difference]) -> list[Row]:
    """The differences as rows to read."""
    return [
        Row(
            str(PARTS[one.part]),
            one.code,
            _text(one.title) if one.title else "",
            one.kind,
            [
                (_field(change), _worded(change, change.old), _worded(change, change.new))
                for change in one.changes
            ],
        )
        for one in differences
    ]


def _field(change: Change) -> str:
    """Fields in words; codes between them, such as that of a choice, as they are."""
    return " · ".join(str(FIELDS.get(name, name)) for name in change.path.split("."))


def _worded(change: Change, value: Any) -> str:
    """A value before or after; both ends of a range as a range."""
    if change.path.rpartition(".")[2] in ("hard", "soft") and isinstance(value, list) and len(value) == 2:
        low, high = value
        if low is None or high is None:
            return f"≥ {low}" if high is None else f"≤ {high}"
        return f"{low} – {high}"
    return _value(value)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if is_text(value):
        return _text(value)
    if isinstance(value, list) and not any(isinstance(one, Mapping | list) for one in value):
        return ", ".join(_value(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list) else str(value)


def _text(value: Mapping[str, str]) -> str:
    return Text(value["en"], value["zh"]).to(get_language() or "en")
