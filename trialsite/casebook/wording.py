"""Entries in the reader's words, on pages and on paper."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.protocol.definition import Item

MISSING: Final = (
    ("not_done", gettext_lazy("not done")),
    ("not_applicable", gettext_lazy("not applicable")),
    ("unknown", gettext_lazy("unknown")),
    ("refused", gettext_lazy("refused")),
)

# What the algorithm of the response of pain answers.
RESPONSES: Final = {
    "complete": gettext_lazy("complete response"),
    "partial": gettext_lazy("partial response"),
    "progression": gettext_lazy("pain progression"),
    "indeterminate": gettext_lazy("indeterminate response"),
    "not_evaluable": gettext_lazy("not evaluable"),
}


def shown(item: Item, value: Any) -> str:
    """An entry, stored or as posted, in words."""
    language = get_language() or "en"
    stored = value if isinstance(value, Mapping) else {"value": value}
    if stored.get("missing"):
        return str(dict(MISSING).get(stored["missing"], stored["missing"]))
    given = stored.get("value")
    if given is None or given == "":
        return "–"
    if isinstance(given, bool):
        return _("yes") if given else _("no")
    labels = {choice.code: choice.label.to(language) for choice in item.choices}
    if isinstance(given, list | tuple):
        return "; ".join(labels.get(one, str(one)) for one in given)
    if item.type == "datetime":
        return str(given).replace("T", " ")
    unit = stored.get("unit") or (item.unit if item.type in ("integer", "decimal") else "")
    return f"{stored.get('sign', '')}{labels.get(given, given)} {unit or ''}".strip()
