"""Whether every part of a participant's path is played by an event or form of the protocol: what `parts` relies on."""

import re
from typing import Final

from trialsite.protocol import expression
from trialsite.protocol.expression import BadExpression
from trialsite.protocol.meaning.draft import Document, Draft, Found, by_name, is_whole_date
from trialsite.protocol.parts import (
    BUILT_IN_FORMS,
    IDENTITY_SETTING,
    RECHECK_DAYS,
    RECHECK_SETTING,
    RECHECKS,
)

# How often a part must be played: exactly once, or at most once.
_ONCE: Final = ("surgery", "death", "withdrawal", "deviation")
_LEVELS: Final = {"treatment", "visits", "data"}
_DEVIATION: Final = {"dvstdat", "dvcat", "dvsubject", "dvterm", "dvreason", "dvaction"}
# The kinds of deviation that the software records itself, by the role of the form.
_CATEGORIES: Final = {
    "deviation": {"consent", "eligibility", "procedure", "visit_window"},
    "arm_deviation": {"treatment", "visit_window"},
}
_NAMED: Final = re.compile(r"\b([a-z][a-z0-9_]*)\.[a-z]")


def problems_of(draft: Draft) -> Found:
    """Parts that nobody plays, or several; and criteria that are asked where their answers are not collected."""
    document = draft.document
    yield from _visits(document)
    yield from _forms(document)
    yield from _withdrawal(document)
    yield from _deviations(document)
    yield from _criteria(draft)
    yield from _treatment(draft)
    yield from _needed(draft)
    yield from _lost(document)


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


def _codes(form: Document, item: str) -> set[str]:
    return {choice["code"] for choice in by_name(form).get(item, {}).get("choices", ())}


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
            missing = sorted(_DEVIATION - set(by_name(form)))
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


def _treatment(draft: Draft) -> Found:
    """Fractions stand beside the start that says how many are planned, and beside the end."""
    document = draft.document
    driving = {form["drives"]: form for form in document["forms"] if "drives" in form}
    wanted = document["trial"].get("local_treatment")
    if wanted is None:
        if "treatment_end" in driving:
            yield "trial", "local_treatment", "is needed where a form drives 'treatment_end'"
        return
    events = [set(visit.get("forms", ())) for visit in document["visits"]]
    start, end = driving.get("treatment_start"), driving.get("treatment_end")
    if start is None or end is None:
        yield "trial", "local_treatment", "needs forms that drive 'treatment_start' and 'treatment_end'"
        return
    if not any({start["code"], wanted["fraction"], end["code"]} <= forms for forms in events):
        yield "trial", "local_treatment.fraction", "must be collected at the visit of its start and its end"
    form, item = wanted["planned"].split(".")
    if form != start["code"] or by_name(start).get(item, {}).get("type") != "integer":
        yield "trial", "local_treatment.planned", f"must name a whole number of {start['code']!r}"
    if by_name(end).get("completed", {}).get("type") != "boolean" or "reason" not in by_name(end):
        yield f"form:{end['code']}", "completed", "needs the items 'completed' (yes or no) and 'reason'"
    days = draft.settings.get(wanted["days"])
    if isinstance(days, bool) or not isinstance(days, int) or days < 0:
        yield "trial", "local_treatment.days", "must name a setting that is a whole number of days"


def _lost(document: Document) -> Found:
    """Whoever is lost to follow-up is counted by one answer of one form."""
    wanted = document["trial"].get("lost_to_follow_up")
    if wanted is None:
        return
    code, _, item = wanted["item"].partition(".")
    form = next((one for one in document["forms"] if one["code"] == code), None)
    if form is None or by_name(form).get(item, {}).get("type") != "choice":
        yield "trial", "lost_to_follow_up.item", "must name a choice of a form"
        return
    if form.get("repeating") or sum(code in visit.get("forms", ()) for visit in document["visits"]) != 1:
        yield "trial", "lost_to_follow_up.item", f"{code!r} must be collected once, at one visit"
    for unknown in sorted(set(wanted["codes"]) - _codes(form, item)):
        yield "trial", "lost_to_follow_up.codes", f"{unknown!r} is no choice of {item!r}"


def _criteria(draft: Draft) -> Found:
    """What is judged must be collected where it is judged; else it would stay unknown for ever."""
    document = draft.document
    setting = draft.settings.get(RECHECK_SETTING, RECHECKS[0])
    if setting not in RECHECKS:
        yield "trial", f"settings.{RECHECK_SETTING}.value", f"must be one of: {', '.join(RECHECKS)}"
    most = draft.settings.get(RECHECK_DAYS, 0)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        yield "trial", f"settings.{RECHECK_DAYS}.value", "must be a whole number of days"
    consent = draft.settings.get("undelegated_consent", "warn")
    if consent not in ("warn", "refuse"):
        yield "trial", "settings.undelegated_consent.value", "must be one of: warn, refuse"
    if not isinstance(draft.settings.get(IDENTITY_SETTING, False), bool):
        yield "trial", f"settings.{IDENTITY_SETTING}.value", "must be true or false"
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


def _needed(draft: Draft) -> Found:
    """What a step rests on is marked so: there no reason stands in for the answer.

    That is the date of each key fact and of what is asked again, and what else the step reads: from what a participant
    withdraws, how many fractions are planned, whether all were given.
    """
    treatment = draft.document["trial"].get("local_treatment")
    planned = treatment["planned"] if treatment else ""
    own = {
        "withdrawal": {"level"},
        "treatment_start": _inputs(draft, planned) if planned else set(),
        "treatment_end": {"completed"},
    }
    again = _asked_again(draft)
    for form in draft.document["forms"]:
        part, items = f"form:{form['code']}", by_name(form)
        dated = form.get("observed_item", "")
        if form["code"] in again and not is_whole_date(items.get(dated, {"type": ""})):
            yield (
                part,
                "observed_item",
                "must be a required, whole date: what is asked again counts from the surgery on",
            )
        named = own.get(form.get("drives", ""), set())
        named = named | ({dated} if "drives" in form or form["code"] in again else set())
        for name in sorted(named & set(items)):
            if not items[name].get("needed"):
                yield part, f"{name}.needed", "must be true: a step rests on it"


def _inputs(draft: Draft, name: str) -> set[str]:
    """The items of its own form that an item is computed from; itself where it is entered."""
    form, _, item = name.partition(".")
    if name not in draft.derived:
        return {item}
    try:
        read = expression.references(draft.derived[name])
    except BadExpression:
        return set()
    return {one.partition(".")[2] for one in read if one.startswith(f"{form}.")}


def _asked_again(draft: Draft) -> set[str]:
    """The forms that answer what is asked again at the randomization."""
    marked = [one for one in draft.document["criteria"] if one.get("recheck_at_randomization")]
    return {code for one in marked for code in _NAMED.findall(one["rule"])} - BUILT_IN_FORMS
