"""The trial itself: codes that stand once, hospitals, settings, questions, the response of pain, criteria."""

import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trialsite.protocol import expression
from trialsite.protocol.meaning.draft import SETTING, Draft, Found, by_name, doubles
from trialsite.protocol.parts import READ_SETTINGS

_RESPONSE_SETTINGS: Final = ("scale", "reference", "points", "percent")


def once(draft: Draft) -> Found:
    """Codes that stand twice."""
    document = draft.document
    for part, key in (
        ("sites", "code"),
        ("sites", "number"),
        ("visits", "code"),
        ("criteria", "id"),
        ("reminders", "kind"),
    ):
        entries = document[part] if draft.holds(part) else ()
        for place, value in doubles([entry[key] for entry in entries]):
            yield part, f"[{place}].{key}", f"{value!r} stands twice"
    arms = document["trial"]["arms"] if draft.holds("trial") else ()
    for place, value in doubles([arm["code"] for arm in arms]):
        yield "trial", f"arms[{place}].code", f"{value!r} stands twice"


def sites(draft: Draft) -> Found:
    """Time zones that do not exist, caps below targets."""
    for place, site in enumerate(draft.document["sites"]):
        try:
            ZoneInfo(site["timezone"])
        except (ZoneInfoNotFoundError, ValueError):
            yield "sites", f"[{place}].timezone", f"{site['timezone']!r} is not an IANA time zone"
        if site.get("cap", site["target"]) < site["target"]:
            yield "sites", f"[{place}].cap", f"{site['cap']} lies below the target {site['target']}"


def sex_item(draft: Draft) -> Found:
    """The item by which laboratories divide their limits is a choice."""
    named = draft.document["trial"].get("sex_item")
    if named and named not in draft.scope.codes:
        yield "trial", "sex_item", f"there is no item {named!r} with choices"


def targets(draft: Draft) -> Found:
    """The hospitals' targets fit into the trial."""
    document = draft.document
    if sum(site["target"] for site in document["sites"]) > document["trial"]["total_cap"]:
        yield "trial", "total_cap", "lies below the sum of the hospitals' targets"


def questions(draft: Draft) -> Found:
    """An open question names the setting that stands in, where it is one."""
    for place, question in enumerate(draft.document["trial"]["questions"]):
        if question.get("setting", next(iter(draft.settings), None)) not in draft.settings:
            yield "trial", f"questions[{place}].setting", f"there is no setting {question['setting']!r}"


def settings(draft: Draft) -> Found:
    """A setting that nothing reads promises what does not happen."""
    trial = draft.document["trial"]
    sources = [criterion["rule"] for criterion in draft.document["criteria"]]
    for form in draft.document["forms"]:
        sources += [check["expression"] for check in form.get("checks", ())]
        sources += [
            item[key] for item in by_name(form).values() for key in ("show_if", "derive") if key in item
        ]
    read = set(READ_SETTINGS)
    for source in sources:
        read |= set(re.findall(rf"\b{SETTING}\.([a-z0-9_]+)", source))
    read |= {trial.get("pain_response", {}).get(key) for key in _RESPONSE_SETTINGS}
    read |= {trial.get("local_treatment", {}).get("days")}
    for name in draft.settings:
        if name not in read:
            yield "trial", f"settings.{name}", "is read by no rule and by no step"


def pain_response(draft: Draft) -> Found:
    """The response of pain reads what is collected, and settings of the right kind."""
    document = draft.document
    wanted = document["trial"].get("pain_response")
    if not wanted:
        return
    forms = {form["code"]: form for form in document["forms"]}
    collected = {visit["code"]: set(visit.get("forms", ())) for visit in document["visits"]}
    pain_form, pain_item = wanted["pain"], str(draft.settings.get(wanted["scale"]))
    item = by_name(forms.get(pain_form, {"sections": []})).get(pain_item, {})
    if item.get("type") not in ("integer", "decimal"):
        yield "trial", "pain_response.scale", f"must name a setting that names a number of {pain_form!r}"
    if draft.settings.get(wanted["reference"]) not in wanted["baselines"]:
        yield "trial", "pain_response.reference", "must name a setting that names one of the baselines"
    if forms.get(wanted["opioids"], {}).get("score", {}).get("algorithm") != "opioids":
        yield "trial", "pain_response.opioids", "must name a form that is scored as opioids"
    events = [(f"baselines.{name}", event) for name, event in wanted["baselines"].items()]
    events += [(f"events[{place}]", event) for place, event in enumerate(wanted["events"])]
    for path, event in events:
        if not {pain_form, wanted["opioids"]} <= collected.get(event, set()):
            yield "trial", f"pain_response.{path}", f"{event!r} does not collect both pain and opioids"
    for key in ("points", "percent"):
        value = draft.settings.get(wanted[key])
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield "trial", f"pain_response.{key}", "must name a setting that is a whole number above 0"


def criteria(draft: Draft) -> Found:
    """Rules that do not type-check, or turn over as more becomes known; readings without the setting for them."""
    read: set[str] = set()
    for place, criterion in enumerate(draft.document["criteria"]):
        for name in criterion.get("settings", ()):
            if f"setting.{name}" not in criterion["rule"]:
                yield "criteria", f"[{place}].settings", f"the rule does not read {name!r}"
        if ("reading" in criterion) != ("settings" in criterion):
            yield (
                "criteria",
                f"[{place}].reading",
                "a reading and the settings that change it belong together",
            )
        found = list(draft.rule("criteria", f"[{place}].rule", criterion["rule"], monotone=True))
        yield from found
        read |= set() if found else expression.references(criterion["rule"])
    for name in sorted(read & set(draft.derived)):
        yield from _monotone(draft, name)


def torn_criteria(draft: Draft) -> Found:
    """Rules that do not type-check, of criteria of which some have no structure."""
    torn = draft.broken["criteria"].content if "criteria" in draft.broken else None
    for place, criterion in enumerate(torn or ()):
        if "rule" in criterion:
            yield from draft.rule("criteria", f"[{place}].rule", criterion["rule"], monotone=True)


def _monotone(draft: Draft, name: str) -> Found:
    """What a criterion reads is computed from what is known, never from whether it is."""
    form, _, item = name.partition(".")
    once_checked = list(draft.rule("", "", draft.derived[name], form=form, gives=("number", "root")))
    if not once_checked:
        yield from draft.rule(
            f"form:{form}",
            f"{item}.derive",
            draft.derived[name],
            form=form,
            gives=("number", "root"),
            monotone=True,
        )
