"""Forms: items, ranges, scores, what they must say and for whom."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from trialsite.protocol.meaning.draft import Document, Draft, Found, doubles, is_whole_date, items_of


def problems_of(draft: Draft) -> Found:
    """Every mistake in the forms whose structure holds."""
    for form in draft.document["forms"]:
        part = f"form:{form['code']}"
        items = items_of(form)
        names = [item["name"] for item in items]
        for _, value in doubles(names):
            yield part, value, "stands twice in this form"
        for item in items:
            yield from _item(draft, form["code"], item)
        yield from _named(part, items)
        if form.get("observed_item", names[0]) not in names:
            yield part, "observed_item", f"there is no item {form['observed_item']!r} in this form"
        yield from _source_item(part, form)
        if "time_item" in form and form["time_item"] not in {
            one["name"] for one in items if one["type"] == "time"
        }:
            yield part, "time_item", f"there is no time {form['time_item']!r} in this form"
        if ("drives" in form or "valid_days" in form) and "observed_item" not in form:
            yield part, "observed_item", "is needed where the form drives a step or its values grow old"
        if form.get("study_specific"):
            yield from _datable(part, form, items)
        if "drives" in form:
            yield from _exact(part, form, items)
        for place, check in enumerate(form.get("checks", ())):
            if check["item"] not in names:
                yield part, f"checks[{place}].item", f"there is no item {check['item']!r} in this form"
            yield from _check(draft, form["code"], place, check)
        if "score" in form:
            yield from _score(part, form["score"], {item["name"]: item for item in items})


def torn(draft: Draft) -> Found:
    """The expressions of forms whose structure does not hold, and all else in the items that have it."""
    for form in draft.torn:
        whole, torn_items = form["sections"]
        for item in whole["items"]:
            yield from _item(draft, form["code"], item)
        for item in torn_items["items"]:
            yield from _expressions(draft, form["code"], item)
        for place, check in enumerate(form["checks"]):
            yield from _check(draft, form["code"], place, check)


def _check(draft: Draft, form: str, place: int, check: Document) -> Found:
    if "expression" in check:
        path = f"checks[{place}].expression"
        yield from draft.rule(f"form:{form}", path, check["expression"], form=form)


_PARTS_OF: Final = {
    "sins": {"level", "pain", "lesion", "alignment", "collapse", "posterolateral"},
    "opioids": {"drug", "dose", "taken", "manual"},
}


def _score(part: str, score: Document, items: Document) -> Found:
    """A score names items of its own form, each role once, and numbers where it calculates."""
    named = [(f"score.roles.{role}", name) for role, name in score.get("roles", {}).items()]
    named += [(f"score.items[{place}]", name) for place, name in enumerate(score.get("items", ()))]
    for place, scale in enumerate(score.get("scales", ())):
        named += [(f"score.scales[{place}]", name) for name in scale["items"]]
        for name in scale.get("reversed", ()):
            if name not in scale["items"]:
                yield part, f"score.scales[{place}].reversed", f"{name!r} is no item of this scale"
        if scale.get("least", 1) > len(scale["items"]):
            yield part, f"score.scales[{place}].least", "is more than the scale has items"
    for path, name in named:
        if name not in items:
            yield part, path, f"there is no item {name!r} in this form"
        elif "roles" not in path and items[name]["type"] not in ("integer", "decimal"):
            yield part, path, f"{name!r} is not a number"
    wanted = _PARTS_OF.get(score["algorithm"], set())
    if set(score.get("roles", {})) != wanted:
        yield part, "score.roles", f"must name {', '.join(sorted(wanted))}"
    if "value_set" in score:
        expected = {"constant": 1} | dict.fromkeys(score["items"], 5)
        if {name: len(row) for name, row in score["value_set"].items()} != expected:
            yield part, "score.value_set", "must hold `constant` with one number and each item with five"


def _exact(part: str, form: Document, items: Sequence[Document]) -> Found:
    """The date of a key fact anchors visits or ends them: it is always given, and whole.

    Of a death the day may stay unknown for ever: there the earliest day that is possible ends the visits.
    """
    for item in items:
        shape = {**item, "partial": False} if form["drives"] == "death" else item
        if item["name"] == form.get("observed_item") and not is_whole_date(shape):
            yield part, item["name"], "must be a required, whole date: the schedule counts from it"


def _datable(part: str, form: Document, items: Sequence[Document]) -> Found:
    """What is done for the trial alone follows the consent: without its day nobody could tell."""
    dated = next((item for item in items if item["name"] == form.get("observed_item")), None)
    if dated is None or not is_whole_date(dated) or not dated.get("needed"):
        path = dated["name"] if dated else "observed_item"
        yield part, path, "must be a whole date that is `needed`: what is study-specific follows the consent"


def _named(part: str, items: Sequence[Document]) -> Found:
    """Whoever gets the data knows each entered item by its CDASH variable."""
    names = [item.get("cdash") for item in items]
    for item in items:
        if "cdash" not in item and "derive" not in item:
            yield part, f"{item['name']}.cdash", "is needed: the CDASH variable of what is entered here"
    names += [choice["cdash"] for item in items for choice in item.get("choices", ()) if "cdash" in choice]
    for place, name in doubles(names):
        if name and place >= len(items):
            yield part, "choices", f"the CDASH variable {name!r} stands twice in this form"
        elif name:
            yield part, f"{items[place]['name']}.cdash", f"{name!r} stands twice in this form"


def _source_item(part: str, form: Document) -> Found:
    """What tells routine care from the trial is a list with just these two codes."""
    if "source_item" in form:
        found = [item for item in items_of(form) if item["name"] == form["source_item"]]
        if not found or {choice["code"] for choice in found[0].get("choices", ())} != {"routine", "study"}:
            yield part, "source_item", "names an item with the choices routine and study"


def _item(draft: Draft, form: str, item: Document) -> Found:
    part, path = f"form:{form}", item["name"]
    numeric = item["type"] in ("integer", "decimal")
    coded = item["type"] in ("choice", "multichoice")
    if coded != ("choices" in item):
        yield part, f"{path}.choices", "choices belong to the types choice and multichoice, and only there"
    for place, code in doubles([choice["code"] for choice in item.get("choices", ())]):
        yield part, f"{path}.choices[{place}]", f"{code!r} stands twice"
    for key in ("unit", "accepted_units", "refused_units", "hard", "soft", "uln", "signed", "derive"):
        if key in item and not numeric:
            yield part, f"{path}.{key}", "belongs to numbers only"
    if "future" in item and item["type"] != "date":
        yield part, f"{path}.future", "belongs to dates only"
    if "accepted_units" in item and "unit" not in item:
        yield part, f"{path}.unit", "is needed where other units are accepted"
    yield from _ranges(part, path, item)
    yield from _expressions(draft, form, item)
    if item.get("needed") and (not item.get("required", True) or {"show_if", "derive"} & set(item)):
        yield part, f"{path}.needed", "what a step rests on is asked of everyone, and required"
    if "derive" in item:
        for key in ("show_if", "hard", "accepted_units", "uln", "signed"):
            if key in item:
                yield part, f"{path}.{key}", "does not belong to an item that is computed"


def _expressions(draft: Draft, form: str, item: Document) -> Found:
    part, path = f"form:{form}", item["name"]
    if "show_if" in item:
        yield from draft.rule(part, f"{path}.show_if", item["show_if"], form=form)
    if "derive" in item:
        yield from draft.rule(part, f"{path}.derive", item["derive"], form=form, gives=("number", "root"))
        yield from _computed_from_entered(draft, part, path, item["derive"])


def _computed_from_entered(draft: Draft, part: str, path: str, source: str) -> Found:
    """A computed item is computed from entered ones: no chains, and so no circles."""
    for name in draft.derived:
        if re.search(rf"\b{re.escape(name)}\b", source):
            yield part, f"{path}.derive", f"names {name!r}, which is computed itself"


def _ranges(part: str, path: str, item: Document) -> Found:
    ends = {
        key: [None if end is None else Fraction(str(end)) for end in item[key]]
        for key in ("hard", "soft")
        if key in item
    }
    for key, (low, high) in ends.items():
        if low is not None and high is not None and low > high:
            yield part, f"{path}.{key}", "its low end lies above its high end"
    if len(ends) == 2:
        (hard_low, hard_high), (soft_low, soft_high) = ends["hard"], ends["soft"]
        below = hard_low is not None and soft_low is not None and soft_low < hard_low
        above = hard_high is not None and soft_high is not None and soft_high > hard_high
        if below or above:
            yield part, f"{path}.soft", "reaches beyond the hard range"
