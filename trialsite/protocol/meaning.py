"""What JSON Schema cannot say: references, windows, expressions. Yields (part, path, sentence) for each mistake."""

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trialsite.protocol import casting, expression
from trialsite.protocol.definition import offset_of
from trialsite.protocol.expression import BadExpression, Scope, Type

Found = Iterator[tuple[str, str, str]]
Document = dict[str, Any]

# References that enrollment provides beside the items of forms.
BUILT_IN: dict[str, Type] = {
    "t0": "date",
    "consent.patient_signed_on": "date",
    "consent.family_signed_on": "date",
    "study.first_procedure_on": "date",
}
_TYPES: dict[str, Type] = {
    "integer": "number",
    "decimal": "number",
    "boolean": "boolean",
    "date": "date",
    "time": "text",
    "datetime": "instant",
    "text": "text",
    "choice": "text",
    "multichoice": "set",
}
_PLACEHOLDERS = {"participant": {"hospital", "date", "phone"}}
_STAFF_PLACEHOLDERS = {"hospital", "date", "phone", "participant", "visit"}
# What a message to a participant never holds, whatever the trial: addresses of pages, codes of participants.
_ALWAYS_TELLING = r"https?:|www\.|[0-9]{2}-[0-9]{3}(?![0-9-])"


def problems_of(document: Document) -> Found:
    """Every mistake in meaning of a document whose structure is right."""
    yield from _once(document)
    yield from _sites(document)
    yield from _forms(document)
    yield from _visits(document)
    yield from _criteria(document)
    yield from _reminders(document)
    yield from _discreet_names(document)
    yield from _questions(document)
    yield from _pain_response(document)
    yield from casting.problems_of(document)


def scope_of(document: Document, form: str | None = None) -> Scope:
    """What expressions may name: items as `form.item`, and inside a form's own checks also as they are."""
    types, codes, with_uln = dict(BUILT_IN), {}, set()
    for entry in document["forms"]:
        for item in _items(entry):
            name = f"{entry['code']}.{item['name']}"
            types[name] = _TYPES[item["type"]]
            if "choices" in item:
                codes[name] = frozenset(choice["code"] for choice in item["choices"])
            if item.get("uln"):
                with_uln.add(name)
    settings = {name: entry["value"] for name, entry in document["trial"]["settings"].items()}
    return Scope(types, codes, frozenset(with_uln), settings)


def _items(form: Document) -> list[Document]:
    return [item for section in form["sections"] for item in section["items"]]


def _doubles(values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    seen = set()
    for place, value in enumerate(values):
        if value in seen:
            yield place, value
        seen.add(value)


def _once(document: Document) -> Found:
    for part, key in (
        ("sites", "code"),
        ("sites", "number"),
        ("visits", "code"),
        ("criteria", "id"),
        ("reminders", "kind"),
    ):
        for place, value in _doubles([entry[key] for entry in document[part]]):
            yield part, f"[{place}].{key}", f"{value!r} stands twice"
    for place, value in _doubles([arm["code"] for arm in document["trial"]["arms"]]):
        yield "trial", f"arms[{place}].code", f"{value!r} stands twice"


def _sites(document: Document) -> Found:
    for place, site in enumerate(document["sites"]):
        try:
            ZoneInfo(site["timezone"])
        except (ZoneInfoNotFoundError, ValueError):
            yield "sites", f"[{place}].timezone", f"{site['timezone']!r} is not an IANA time zone"
        if site.get("cap", site["target"]) < site["target"]:
            yield "sites", f"[{place}].cap", f"{site['cap']} lies below the target {site['target']}"
    sex_item = document["trial"].get("sex_item")
    if sex_item and sex_item not in scope_of(document).codes:
        yield "trial", "sex_item", f"there is no item {sex_item!r} with choices"
    if sum(site["target"] for site in document["sites"]) > document["trial"]["total_cap"]:
        yield "trial", "total_cap", "lies below the sum of the hospitals' targets"


def _forms(document: Document) -> Found:
    for form in document["forms"]:
        part = f"form:{form['code']}"
        items = _items(form)
        names = [item["name"] for item in items]
        for _, value in _doubles(names):
            yield part, value, "stands twice in this form"
        for item in items:
            yield from _item(document, form["code"], item)
        if form.get("observed_item", names[0]) not in names:
            yield part, "observed_item", f"there is no item {form['observed_item']!r} in this form"
        yield from _source_item(part, form)
        if ("drives" in form or "valid_days" in form) and "observed_item" not in form:
            yield part, "observed_item", "is needed where the form drives a step or its values grow old"
        if "drives" in form:
            yield from _exact(part, form, items)
        for place, check in enumerate(form.get("checks", ())):
            if check["item"] not in names:
                yield part, f"checks[{place}].item", f"there is no item {check['item']!r} in this form"
            yield from _rule(document, part, f"checks[{place}].expression", check["expression"])
        if "score" in form:
            yield from _score(part, form["score"], {item["name"]: item for item in items})


_PARTS_OF = {
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
    """The date of a key fact anchors visits or ends them: it is always given, and whole."""
    for item in items:
        whole = item["type"] == "date" and not item.get("partial") and item.get("required", True)
        if item["name"] == form.get("observed_item") and not whole:
            yield part, item["name"], "must be a required, whole date: the schedule counts from it"


def _source_item(part: str, form: Document) -> Found:
    """What tells routine care from the trial is a list with just these two codes."""
    if "source_item" in form:
        found = [item for item in _items(form) if item["name"] == form["source_item"]]
        if not found or {choice["code"] for choice in found[0].get("choices", ())} != {"routine", "study"}:
            yield part, "source_item", "names an item with the choices routine and study"


def _item(document: Document, form: str, item: Document) -> Found:
    part, path = f"form:{form}", item["name"]
    numeric = item["type"] in ("integer", "decimal")
    coded = item["type"] in ("choice", "multichoice")
    if coded != ("choices" in item):
        yield part, f"{path}.choices", "choices belong to the types choice and multichoice, and only there"
    for place, code in _doubles([choice["code"] for choice in item.get("choices", ())]):
        yield part, f"{path}.choices[{place}]", f"{code!r} stands twice"
    for key in ("unit", "accepted_units", "refused_units", "hard", "soft", "uln", "signed", "derive"):
        if key in item and not numeric:
            yield part, f"{path}.{key}", "belongs to numbers only"
    if "future" in item and item["type"] != "date":
        yield part, f"{path}.future", "belongs to dates only"
    if "accepted_units" in item and "unit" not in item:
        yield part, f"{path}.unit", "is needed where other units are accepted"
    yield from _ranges(part, path, item)
    if "show_if" in item:
        yield from _rule(document, part, f"{path}.show_if", item["show_if"])
    if "derive" in item:
        yield from _rule(document, part, f"{path}.derive", item["derive"], gives=("number", "root"))
        yield from _computed_from_entered(document, part, path, item["derive"])
        for key in ("show_if", "hard", "accepted_units", "uln", "signed"):
            if key in item:
                yield part, f"{path}.{key}", "does not belong to an item that is computed"


def _computed_from_entered(document: Document, part: str, path: str, source: str) -> Found:
    """A computed item is computed from entered ones: no chains, and so no circles."""
    computed = [
        f"{form['code']}.{item['name']}"
        for form in document["forms"]
        for item in _items(form)
        if "derive" in item
    ]
    for name in computed:
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


def _visits(document: Document) -> Found:
    visits = document["visits"]
    codes = {visit["code"] for visit in visits}
    forms = {form["code"] for form in document["forms"]}
    arms = {arm["code"] for arm in document["trial"]["arms"]}
    for place, visit in enumerate(visits):
        for key, known in (
            ("forms", forms),
            ("arms", arms),
            ("must_follow", codes),
            ("should_follow", codes),
        ):
            for name in visit.get(key, ()):
                if name not in known:
                    yield "visits", f"[{place}].{key}", f"there is no {name!r}"
        offsets = [key for key in ("day", "weeks", "months") if key in visit]
        if visit["kind"] == "unscheduled" and offsets:
            yield "visits", f"[{place}].{offsets[0]}", "an unscheduled visit has no date"
        elif visit["kind"] != "unscheduled" and len(offsets) != 1:
            yield "visits", f"[{place}].day", "one of day, weeks and months is needed for a visit with a date"
        if visit.get("arms") and not visit.get("reveals_arm"):
            yield "visits", f"[{place}].reveals_arm", "must be true: whoever sees the visit knows the arm"
    yield from _anchors(document)
    yield from _acyclic(visits, "must_follow", lambda visit: [*visit.get("must_follow", ())])
    yield from _acyclic(visits, "should_follow", lambda visit: [*visit.get("should_follow", ())])
    yield from _acyclic(visits, "anchor", _base)
    yield from _overlaps(document)


def _anchor(document: Document, visit: Document) -> str:
    return str(visit.get("anchor", document["trial"]["anchor"]))


def _base(visit: Document) -> list[str]:
    """The visit that this one is anchored on, if any."""
    anchor = visit.get("anchor", "")
    return [anchor.removeprefix("visit:")] if anchor.startswith("visit:") else []


def _anchors(document: Document) -> Found:
    known = {visit["code"]: visit for visit in document["visits"]}
    for place, visit in enumerate(document["visits"]):
        for code in _base(visit):
            base = known.get(code)
            if base is None:
                yield "visits", f"[{place}].anchor", f"there is no {code!r}"
            elif base["kind"] == "unscheduled":
                yield "visits", f"[{place}].anchor", f"{code} has no date of its own to count from"
            elif sorted(base.get("arms", ())) != sorted(visit.get("arms", ())):
                yield "visits", f"[{place}].arms", f"must be those of {code}, from which it counts"


def _acyclic(visits: list[Document], key: str, before: Callable[[Document], list[str]]) -> Found:
    follows = {visit["code"]: before(visit) for visit in visits}
    for place, visit in enumerate(visits):
        reached, open_ends = set(), list(follows[visit["code"]])
        while open_ends:
            code = open_ends.pop()
            if code not in reached:
                reached.add(code)
                open_ends += follows.get(code, ())
        if visit["code"] in reached:
            yield "visits", f"[{place}].{key}", "leads back to this visit"


def _overlaps(document: Document) -> Found:
    """Windows within the series may not overlap: a date must belong to one visit at most.

    Two visits of arms that nobody has both of never meet. Visits that count from different dates cannot be compared,
    and so cannot stand in one series.
    """
    series = [
        (place, visit)
        for place, visit in enumerate(document["visits"])
        if visit["kind"] == "series" and offset_of(visit) is not None
    ]
    for (_, one), (place, other) in itertools.combinations(series, 2):
        if one.get("arms") and other.get("arms") and not set(one["arms"]) & set(other["arms"]):
            continue
        if _anchor(document, one) != _anchor(document, other):
            yield "visits", f"[{place}].anchor", f"is not that of {one['code']}, of the same series"
        elif _overlap(one, other):
            yield "visits", f"[{place}]", f"its window overlaps that of {one['code']}"


# Ten years around 2100, which is no leap year: every way in which months and leap days can follow each other.
_ANY_ANCHOR = [dt.date(2095, 1, 1) + dt.timedelta(days=shift) for shift in range(3653)]


def _overlap(one: Document, other: Document) -> bool:
    """Whether the windows of two visits with one anchor share a day, for any anchor where months are counted."""
    first, second = offset_of(one), offset_of(other)
    assert first is not None and second is not None  # noqa: S101 -- the caller has asked
    anchors = _ANY_ANCHOR if "months" in (first.unit, second.unit) else _ANY_ANCHOR[:1]
    for anchor in anchors:
        apart = (second.after(anchor) - first.after(anchor)).days
        earlier, later = (one, other) if apart >= 0 else (other, one)
        if earlier.get("after", 0) + later.get("before", 0) >= abs(apart):
            return True
    return False


def _criteria(document: Document) -> Found:
    for place, criterion in enumerate(document["criteria"]):
        for name in criterion.get("settings", ()):
            if f"setting.{name}" not in criterion["rule"]:
                yield "criteria", f"[{place}].settings", f"the rule does not read {name!r}"
        if ("reading" in criterion) != ("settings" in criterion):
            yield (
                "criteria",
                f"[{place}].reading",
                "a reading and the settings that change it belong together",
            )
        yield from _rule(document, "criteria", f"[{place}].rule", criterion["rule"], monotone=True)


def _rule(
    document: Document,
    part: str,
    path: str,
    source: str,
    *,
    gives: Sequence[Type] = ("boolean",),
    monotone: bool = False,
) -> Found:
    try:
        expression.check(source, scope_of(document), gives=gives, monotone=monotone)
    except BadExpression as error:
        yield part, path, str(error)


def _reminders(document: Document) -> Found:
    for place, rule in enumerate(document["reminders"]):
        allowed = _PLACEHOLDERS.get(rule["audience"], _STAFF_PLACEHOLDERS)
        for key in ("subject", "body"):
            for language in ("en", "zh"):
                path, words = f"[{place}].{key}.{language}", rule[key][language]
                for name in re.findall(r"\{([^}]*)\}", words):
                    if name not in allowed:
                        yield (
                            "reminders",
                            path,
                            f"{{{name}}} is not known here; known are {', '.join(sorted(allowed))}",
                        )
                if rule["audience"] == "participant":
                    for word in telling(document, words):
                        yield (
                            "reminders",
                            path,
                            f"{word!r} tells what a message to a participant must not tell",
                        )
        if rule["audience"] == "participant" and not "08:00" <= rule["at"] < "21:00":
            yield "reminders", f"[{place}].at", "participants get nothing from 21:00 to 08:00"


def telling(document: Document, words: str) -> list[str]:
    """What in `words` a participant's family or workmates must not read: illness, trial, arm, department, codes, links.

    A message to a participant may be read by anyone. The vocabulary is the protocol's own (`discretion`); the trial's
    number, its arms and its visits are added.
    """
    trial = document["trial"]
    parts = [*trial["discretion"]["zh"], trial["id"]]
    for arm in trial["arms"]:
        parts += [arm["code"], *arm["label"].values()]
    codes = "|".join(re.escape(visit["code"]) for visit in document["visits"])
    begins = "|".join(map(re.escape, trial["discretion"]["en"]))
    pattern = "|".join(
        [
            *map(re.escape, parts),
            rf"(?<![A-Za-z])(?:{begins})",
            rf"(?<![A-Za-z])(?:{codes})(?![A-Za-z])",
            _ALWAYS_TELLING,
        ]
    )
    return re.findall(f"(?:{pattern})", words, re.IGNORECASE)


def _discreet_names(document: Document) -> Found:
    """The hospital's name stands in every message to a participant."""
    for place, site in enumerate(document["sites"]):
        for language, name in site["name"].items():
            for word in telling(document, name):
                yield (
                    "sites",
                    f"[{place}].name.{language}",
                    f"{word!r} would stand in messages to participants; give a name that does not tell",
                )


def _questions(document: Document) -> Found:
    settings = document["trial"]["settings"]
    for place, question in enumerate(document["trial"]["questions"]):
        if question["setting"] not in settings:
            yield "trial", f"questions[{place}].setting", f"there is no setting {question['setting']!r}"


def _pain_response(document: Document) -> Found:
    wanted = document["trial"].get("pain_response")
    if not wanted:
        return
    forms = {form["code"]: form for form in document["forms"]}
    collected = {visit["code"]: set(visit.get("forms", ())) for visit in document["visits"]}
    pain_form, pain_item = wanted["pain"].split(".")
    if pain_item not in {item["name"] for item in _items(forms.get(pain_form, {"sections": []}))}:
        yield "trial", "pain_response.pain", f"there is no item {wanted['pain']!r}"
    if forms.get(wanted["opioids"], {}).get("score", {}).get("algorithm") != "opioids":
        yield "trial", "pain_response.opioids", "must name a form that is scored as opioids"
    events = [(f"baselines.{name}", event) for name, event in wanted["baselines"].items()]
    events += [(f"events[{place}]", event) for place, event in enumerate(wanted["events"])]
    for path, event in events:
        if not {pain_form, wanted["opioids"]} <= collected.get(event, set()):
            yield "trial", f"pain_response.{path}", f"{event!r} does not collect both pain and opioids"
    for key in ("points", "percent"):
        value = document["trial"]["settings"].get(wanted[key], {}).get("value")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield "trial", f"pain_response.{key}", "must name a setting that is a whole number above 0"
