"""A verdict as a reader sees it: each criterion with the items that were read and what lacks, by their labels."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from eligibility.rules import Finding, Verdict
from trialsite.casebook.units import in_words
from trialsite.protocol.definition import Criterion, Definition, Unknown

_FUNCTIONS: Final = {
    "qtcf": gettext_noop("QTcF"),
    "age": gettext_noop("Age"),
    "cockcroft_gault": gettext_noop("Clearance"),
    "count": gettext_noop("Number"),
    "days_before": gettext_noop("limit before the day"),
    "months_before": gettext_noop("limit before the day"),
    "months_after": gettext_noop("limit after the day"),
    "years_before": gettext_noop("limit before the day"),
}
Labelled = list[tuple[str, str]]
# Beside a value whose age counts, as long as no day of surgery is known.
_NO_DAY: Final = gettext_noop("counts from the surgery, for which no day is planned yet")

_BUILT_IN: Final = {
    "t0": gettext_noop("Date of surgery"),
    "consent.patient_signed_on": gettext_noop("Signature of the patient"),
    "consent.family_signed_on": gettext_noop("Signature of the family"),
    "study.first_procedure_on": gettext_noop("First procedure of the trial"),
}
_NUMBER: Final = re.compile(r"-?[0-9.]+")
_MIRRORED: Final = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}
_OPPOSITE: Final = {"<": "≥", ">": "≤", "≤": ">", "≥": "<", "=": "≠", "≠": "="}
_WHY: Final = {
    "missing": gettext_noop("missing"),
    "stale": gettext_noop("too old"),
    "partial": gettext_noop("not exact enough"),
    "insufficient": gettext_noop("does not decide under our reading"),
}


@dataclass(frozen=True)
class Explained:
    """A criterion judged: what was read and whence, how that stands to each limit, what lacks and why."""

    criterion: Criterion
    finding: Finding
    inputs: list[tuple[str, str, str]]
    compared: list[str]
    missing: Labelled


def explained(definition: Definition, verdict: Verdict, *, t0: dt.date | None) -> list[Explained]:
    """Each criterion of the verdict as of `t0`, in the order of the protocol."""
    found = {finding.id: finding for finding in verdict.findings}
    whys = _WHY if t0 else {**_WHY, "stale": _NO_DAY}
    return [
        Explained(
            criterion,
            finding,
            [
                (*_entry(definition, name, value), _source(definition, finding.sources.get(name, "")))
                for name, value in finding.inputs.items()
            ],
            compared(definition, finding),
            _lacking(definition, finding, whys),
        )
        for criterion in definition.criteria
        if (finding := found.get(criterion.id))
    ]


def _lacking(definition: Definition, finding: Finding, whys: Mapping[str, str]) -> Labelled:
    """The items that lack, those with the same reason in one line."""
    found: dict[str, list[str]] = {}
    for name, why in finding.missing.items():
        found.setdefault(_(whys[why]), []).append(_label(definition, name))
    return [("; ".join(labels), why) for why, labels in found.items()]


def _source(definition: Definition, source: str) -> str:
    """The record that holds a value, such as “Screening · Laboratory, version 2”, by names instead of codes."""
    place = re.fullmatch(r"([^/ ]+)/([^ ]+) v([0-9]+)", source)
    if place is None:
        kind, _space, version = source.partition(" ")
        if kind == "consent":
            return _("consent form {version}").format(version=version)
        return _(_BUILT_IN[source]) if source in _BUILT_IN else source
    language = get_language() or "en"
    try:
        names = (definition.visit(place[1]).name.to(language), definition.form(place[2]).name.to(language))
    except Unknown:
        # Recorded under a version that still asked for it.
        return source
    return _("{visit} · {form}, version {version}").format(visit=names[0], form=names[1], version=place[3])


def bearing_on(definition: Definition, form: str) -> frozenset[str]:
    """The criteria whose rules read items of `form`."""
    return frozenset(
        criterion.id
        for criterion in definition.criteria
        if any(name.partition(".")[0] == form for name in definition.rule(criterion.rule).references)
    )


def compared(definition: Definition, finding: Finding) -> list[str]:
    """Each comparison with a limit as it came out, such as “AST: 100 ≥ 100 (2.5 × upper limit of normal)”.

    Of a comparison that does not hold the opposite is told, which does: nobody has to read “62 < 50”.
    """
    found = []
    for one in finding.compared:
        sides, sign = [(one["left"], one["left_value"]), (one["right"], one["right_value"])], one["sign"]
        if _NUMBER.fullmatch(one["left"]):
            # The limit stands on the left: “1 <= levels”.
            sides, sign = sides[::-1], _MIRRORED[sign]
        (left, value), (right, limit) = sides
        sign = _OPPOSITE[sign] if one["held"] == "no" else sign
        words = "" if " if " in right or _NUMBER.fullmatch(right) else _worded(definition, right)
        told = f"{_compared_item(definition, finding, left)}: {value} {sign} {limit}"
        undecided = " ?" if one["held"] == "unknown" else ""
        found.append(f"{told}{f' ({words})' if words not in ('', limit) else ''}{undecided}")
    return found


def _compared_item(definition: Definition, finding: Finding, source: str) -> str:
    """What stands left of the sign; of a choice between items, the one that was read."""
    if " if " in source and len(finding.inputs) == 1:
        return _label(definition, next(iter(finding.inputs)))
    return _worded(definition, source)


def _worded(definition: Definition, source: str) -> str:
    """A part of a rule with labels instead of names."""
    for function, words in _FUNCTIONS.items():
        if source.startswith(f"{function}("):
            return _(words)
    text = re.sub(r"uln\(([a-z0-9_.]+)\)", lambda _match: _("upper limit of normal"), source)
    text = re.sub(
        r"\bsetting\.([a-z0-9_]+)", lambda match: str(definition.settings.get(match[1], match[0])), text
    )
    text = re.sub(
        r"\b[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\b|\bt0\b", lambda match: _label(definition, match[0]), text
    )
    return text.replace(" * ", " × ")


def _entry(definition: Definition, name: str, value: str) -> tuple[str, str]:
    item = _item(definition, name)
    if item is None or not value:
        return _label(definition, name), value
    if item.unit and value.endswith(f" {item.unit}"):
        return _label(definition, name), f"{value.removesuffix(item.unit)}{in_words(item.unit)}"
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
