"""Whether the forms of safety hold what its clocks and comparisons read."""

from collections.abc import Mapping
from typing import Any, Final

from trialsite.protocol.meaning.draft import Document, Draft, Found, by_name

# The type of the item that plays each part.
_ITEMS: Final[Mapping[str, Mapping[str, str]]] = {
    "event": {"onset": "date", "term": "text", "serious": "boolean", "outcome": "choice"},
    "report": {
        "event": "integer",
        "onset": "date",
        "term": "text",
        "outcome": "choice",
        "criteria": "multichoice",
        "relation": "choice",
        "expected": "boolean",
        "aware": "datetime",
        "to_sponsor": "datetime",
        "onward": "datetime",
        "complete": "datetime",
        "closed": "datetime",
    },
    "medication": {"start": "date", "end": "date"},
}
# The item of the report whose codes each list names.
_CODES: Final = {"grave": "criteria", "fatal": "outcome", "ended": "outcome", "unrelated": "relation"}


def problems_of(draft: Draft) -> Found:
    """Every mistake in the trial's `safety`."""
    wanted = draft.document["trial"].get("safety")
    if wanted is None:
        return
    forms = {form["code"]: form for form in draft.document["forms"]}
    for part, items in _ITEMS.items():
        if part in wanted:
            yield from _form(draft, f"safety.{part}", wanted[part], items, forms.get(wanted[part]["form"]))
    items_of_report = by_name(forms.get(wanted["report"]["form"], {"sections": []}))
    for name, item in _CODES.items():
        known = _codes(items_of_report, wanted["report"][item])
        for code in wanted[name] if known else ():
            if code not in known:
                yield "trial", f"safety.{name}", f"{code!r} is no choice of {wanted['report'][item]!r}"
    items_of_event = by_name(forms.get(wanted["event"]["form"], {"sections": []}))
    both = (
        _codes(items_of_event, wanted["event"]["outcome"]),
        _codes(items_of_report, wanted["report"]["outcome"]),
    )
    if all(both) and both[0] != both[1]:
        yield "trial", "safety.event.outcome", "has other choices than that of the report: they are compared"


def _form(
    draft: Draft, path: str, wanted: Mapping[str, str], items: Mapping[str, str], form: Document | None
) -> Found:
    code = wanted["form"]
    if form is None:
        yield "trial", f"{path}.form", f"there is no form {code!r}"
        return
    events = [visit["code"] for visit in draft.document["visits"] if code in visit.get("forms", ())]
    if not form.get("repeating") or len(events) != 1:
        yield "trial", f"{path}.form", f"{code!r} must repeat, and be collected at one visit"
    known = by_name(form)
    for part, kind in items.items():
        if known.get(wanted[part], {}).get("type") != kind:
            yield "trial", f"{path}.{part}", f"must name an item of {code!r} of the type {kind}"


def _codes(items: Mapping[str, Any], name: str) -> set[str]:
    return {choice["code"] for choice in items.get(name, {}).get("choices", ())}
