"""Whether every part of a participant's path is played by an event or form of the protocol: what `parts` relies on."""

import re
from collections.abc import Iterator
from typing import Any, Final

from trialsite.protocol.parts import BUILT_IN_FORMS, RECHECK_SETTING, RECHECKS

Found = Iterator[tuple[str, str, str]]
Document = dict[str, Any]

# How often a part must be played: exactly once, or at most once.
_ONCE: Final = ("surgery", "death", "withdrawal", "deviation")
_LEVELS: Final = {"treatment", "visits", "data"}
_DEVIATION: Final = {"dvstdat", "dvcat", "dvsubject", "dvterm", "dvreason", "dvaction"}
# The kinds of deviation that the software records itself, by the role of the form.
_CATEGORIES: Final = {
    "deviation": {"eligibility", "visit_window"},
    "arm_deviation": {"treatment", "visit_window"},
}
_NAMED: Final = re.compile(r"\b([a-z][a-z0-9_]*)\.[a-z]")


def problems_of(document: Document) -> Found:
    """Parts that nobody plays, or several; and criteria that are asked where their answers are not collected."""
    yield from _visits(document)
    yield from _forms(document)
    yield from _withdrawal(document)
    yield from _deviations(document)
    yield from _criteria(document)
    yield from _treatment(document)


def _visits(document: Document) -> Found:
    played: dict[str, list[int]] = {}
    for place, visit in enumerate(document["visits"]):
        if "role" in visit:
            played.setdefault(visit["role"], []).append(place)
    for role in ("screening", "randomization", "unscheduled"):
        if role not in played:
            yield "visits", "", f"no visit has the role {role!r}"
    for role in ("randomization", "unscheduled"):
        for place in played.get(role, [])[1:]:
            yield "visits", f"[{place}].role", f"{role!r} is the role of another visit already"
    for role, places in played.items():
        for place in places:
            visit = document["visits"][place]
            if (visit["kind"] == "unscheduled") != (role == "unscheduled"):
                yield "visits", f"[{place}].kind", f"does not go with the role {role!r}"
            if visit.get("arms"):
                yield "visits", f"[{place}].arms", f"everyone has the visit with the role {role!r}"


def _forms(document: Document) -> Found:
    played: dict[str, list[str]] = {}
    for form in document["forms"]:
        for key in ("drives", "role"):
            if key not in form:
                continue
            played.setdefault(form[key], []).append(form["code"])
            events = [visit["code"] for visit in document["visits"] if form["code"] in visit.get("forms", ())]
            if len(events) != 1:
                yield f"form:{form['code']}", key, f"must be collected at one visit, not at {len(events)}"
    for part in _ONCE:
        if part not in played:
            yield "trial", "", f"no form {'has the role' if part == 'deviation' else 'drives'} {part!r}"
    for part, codes in played.items():
        for code in codes[1:]:
            yield f"form:{code}", "", f"{part!r} is the part of {codes[0]!r} already"


def _items(form: Document) -> dict[str, Document]:
    return {item["name"]: item for section in form["sections"] for item in section["items"]}


def _codes(form: Document, item: str) -> set[str]:
    return {choice["code"] for choice in _items(form).get(item, {}).get("choices", ())}


def _withdrawal(document: Document) -> Found:
    for form in document["forms"]:
        if form.get("drives") == "withdrawal" and _codes(form, "level") != _LEVELS:
            yield f"form:{form['code']}", "level", f"needs the choices {', '.join(sorted(_LEVELS))}"


def _deviations(document: Document) -> Found:
    """Deviations are recorded by the software too, under these names."""
    roles = {}
    for form in document["forms"]:
        if "role" in form:
            roles[form["role"]] = form
            missing = sorted(_DEVIATION - set(_items(form)))
            if missing or not form.get("repeating"):
                yield (
                    f"form:{form['code']}",
                    "",
                    f"must repeat, with the items {', '.join(sorted(_DEVIATION))}",
                )
            for code in sorted(_CATEGORIES.get(form["role"], set()) - _codes(form, "dvcat")):
                yield (
                    f"form:{form['code']}",
                    "dvcat",
                    f"needs the choice {code!r}, which the software records",
                )
    told = "local_treatment" in document["trial"] or any(visit.get("arms") for visit in document["visits"])
    if told and not roles.get("arm_deviation", {}).get("reveals_arm"):
        yield (
            "trial",
            "",
            "treatment or visits of one arm need a form with the role 'arm_deviation' that reveals the arm",
        )


def _treatment(document: Document) -> Found:
    """Fractions stand beside the start that says how many are planned, and beside the end."""
    driving = {form["drives"]: form for form in document["forms"] if "drives" in form}
    wanted = document["trial"].get("local_treatment")
    if wanted is None:
        if "treatment_end" in driving:
            yield "trial", "local_treatment", "is needed where a form drives 'treatment_end'"
        return
    events = [set(visit.get("forms", ())) for visit in document["visits"]]
    start, end = driving.get("sbrt_start"), driving.get("treatment_end")
    if start is None or end is None:
        yield "trial", "local_treatment", "needs forms that drive 'sbrt_start' and 'treatment_end'"
        return
    if not any({start["code"], wanted["fraction"], end["code"]} <= forms for forms in events):
        yield "trial", "local_treatment.fraction", "must be collected at the visit of its start and its end"
    form, item = wanted["planned"].split(".")
    if form != start["code"] or _items(start).get(item, {}).get("type") != "integer":
        yield "trial", "local_treatment.planned", f"must name a whole number of {start['code']!r}"
    if _items(end).get("completed", {}).get("type") != "boolean" or "reason" not in _items(end):
        yield f"form:{end['code']}", "completed", "needs the items 'completed' (yes or no) and 'reason'"
    days = document["trial"]["settings"].get(wanted["days"], {}).get("value")
    if isinstance(days, bool) or not isinstance(days, int) or days < 0:
        yield "trial", "local_treatment.days", "must name a setting that is a whole number of days"


def _criteria(document: Document) -> Found:
    """What is judged must be collected where it is judged; else it would stay unknown for ever."""
    setting = document["trial"]["settings"].get(RECHECK_SETTING, {"value": RECHECKS[0]})["value"]
    if setting not in RECHECKS:
        yield "trial", f"settings.{RECHECK_SETTING}.value", f"must be one of: {', '.join(RECHECKS)}"
    consent = document["trial"]["settings"].get("undelegated_consent", {"value": "warn"})["value"]
    if consent not in ("warn", "refuse"):
        yield "trial", "settings.undelegated_consent.value", "must be one of: warn, refuse"
    collected: dict[str, set[str]] = {"screening": set(), "randomization": set()}
    for visit in document["visits"]:
        if visit.get("role") in collected:
            collected[visit["role"]] |= set(visit.get("forms", ()))
    known = {form["code"] for form in document["forms"]}
    if all(criterion.get("recheck_at_randomization") for criterion in document["criteria"]):
        yield "criteria", "", "no criterion is judged before surgery"
    for place, criterion in enumerate(document["criteria"]):
        role = "randomization" if criterion.get("recheck_at_randomization") else "screening"
        read = set(_NAMED.findall(criterion["rule"])) & known - BUILT_IN_FORMS
        for code in sorted(read - collected[role]):
            yield "criteria", f"[{place}].rule", f"reads {code!r}, which the {role} does not collect"
