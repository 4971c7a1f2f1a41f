"""A verdict as a reader sees it: each criterion with the items that were read and what lacks, by their labels."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from eligibility.rules import Finding, Verdict
from trialsite.protocol.definition import Criterion, Definition

Labelled = list[tuple[str, str]]

_BUILT_IN: Final = {
    "t0": gettext_noop("Date of surgery"),
    "consent.patient_signed_on": gettext_noop("Signature of the patient"),
    "consent.family_signed_on": gettext_noop("Signature of the family"),
    "study.first_procedure_on": gettext_noop("First procedure of the trial"),
}
_WHY: Final = {
    "missing": gettext_noop("missing"),
    "stale": gettext_noop("too old"),
    "partial": gettext_noop("not exact enough"),
    "insufficient": gettext_noop("does not decide under our reading"),
}


def explained(
    definition: Definition, verdict: Verdict
) -> list[tuple[Criterion, Finding, Labelled, Labelled]]:
    """(criterion, finding, what was read, what lacks and why), in the order of the protocol."""
    found = {finding.id: finding for finding in verdict.findings}
    return [
        (
            criterion,
            found[criterion.id],
            [_entry(definition, name, value) for name, value in found[criterion.id].inputs.items()],
            [(_label(definition, name), _(_WHY[why])) for name, why in found[criterion.id].missing.items()],
        )
        for criterion in definition.criteria
        if criterion.id in found
    ]


def _entry(definition: Definition, name: str, value: str) -> tuple[str, str]:
    item = _item(definition, name)
    if item is None or not value:
        return _label(definition, name), value
    words: Mapping[str, str] = {"yes": _("yes"), "no": _("no")} if item.type == "boolean" else {}
    if item.choices:
        words = {choice.code: choice.label.to(get_language() or "en") for choice in item.choices}
    return _label(definition, name), "; ".join(words.get(code, code) for code in value.split(", "))


def _label(definition: Definition, name: str) -> str:
    if name in _BUILT_IN:
        return _(_BUILT_IN[name])
    item, suffix = _item(definition, name.removesuffix(" ULN")), name.endswith(" ULN")
    label = item.label.to(get_language() or "en") if item else name
    return f"{label} ({_('upper limit of normal')})" if suffix else label


def _item(definition: Definition, name: str) -> Any:
    form, _dot, item = name.partition(".")
    known = {one.code: one for one in definition.forms}
    return known[form].items.get(item) if form in known else None
