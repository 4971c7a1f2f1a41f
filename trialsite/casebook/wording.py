"""Entries in the reader's words, on pages and on paper."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.casebook.findings import worded
from trialsite.casebook.units import in_words
from trialsite.protocol.definition import Definition, Item, Text

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

# What is computed over several records, and so is no form.
INSTRUMENTS: Final = {"pain_response": gettext_lazy("Response of pain")}
# Scores that the algorithms name; those of a questionnaire's scales are labelled in its form.
SCORES: Final = {
    "omed": gettext_lazy("Oral morphine (mg/day)"),
    "total": gettext_lazy("Total"),
    "class": gettext_lazy("Class"),
    "profile": gettext_lazy("Profile"),
    "index": gettext_lazy("Index"),
}
CLASSES: Final = {
    "stable": gettext_lazy("stable"),
    "potentially_unstable": gettext_lazy("potentially unstable"),
    "unstable": gettext_lazy("unstable"),
}
# Why a score could not be computed.
OPEN_SCORES: Final = {
    "too_few_answers": gettext_lazy("too few answers"),
    "missing_answer": gettext_lazy("an answer is missing"),
    "not_in_table": gettext_lazy("not in the table"),
}


def score_name(definition: Definition | None, instrument: str, name: str) -> str:
    """What a score is called: by its form, by the baseline that a response refers to, or by its algorithm."""
    language = get_language() or "en"
    if definition and instrument in INSTRUMENTS and definition.pain_response:
        event = definition.pain_response.baselines.get(name)
        if event:
            return _("against {event}").format(event=definition.visit(event).name.to(language))
    form = next((one for one in definition.forms if one.code == instrument), None) if definition else None
    for scale in (form.score or {}).get("scales", ()) if form else ():
        if scale["name"] == name:
            return Text.of(scale["label"]).to(language)
    return str(SCORES.get(name, name))


def score_value(value: str, reason: str) -> str:
    """What a score says, in words where it is a code; why it says nothing where it is open."""
    known = {**RESPONSES, **CLASSES}
    return str(known.get(value, value)) if value else f"– ({OPEN_SCORES.get(reason, reason)})"


def shown(item: Item, value: Any) -> str:
    """An entry, stored or as posted, in words."""
    language = get_language() or "en"
    stored = value if isinstance(value, Mapping) else {"value": value}
    if stored.get("missing"):
        return str(dict(MISSING).get(stored["missing"], stored["missing"]))
    if sentence := worded(stored):
        return sentence
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
    return f"{stored.get('sign', '')}{labels.get(given, given)} {in_words(unit)}".strip()
