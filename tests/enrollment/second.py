"""A made-up protocol with other codes, forms, criteria and units, written as its folder would read."""

from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT


def text(words: str) -> dict[str, str]:
    return {"en": words, "zh": f"中文 {words}"}


def item(name: str, kind: str, **more: Any) -> dict[str, Any]:
    named = {} if "derive" in more else {"cdash": name.upper().replace("_", "")[:8]}
    return {"name": name, "label": text(name.title()), "type": kind, **named, **more}


def form(code: str, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": text(code.title()),
        "observed_item": items[0]["name"],
        "sections": [{"label": text("Entries"), "items": list(items)}],
        **more,
    }


def choice(name: str, *codes: str, **more: Any) -> dict[str, Any]:
    return item(name, "choice", choices=[{"code": code, "label": text(code)} for code in codes], **more)


FORMS = [
    form(
        "metabolic",
        item("drawn", "date", needed=True),
        item(
            "glucose",
            "decimal",
            unit="mmol/L",
            accepted_units={"mg/dL": "125/2252"},
            hard=["1", "60"],
            soft=["3", "15"],
        ),
        item("mass", "decimal", unit="kg", hard=[20, 400]),
        item("height", "decimal", unit="m", accepted_units={"cm": "1/100"}, hard=["1", "2.5"]),
        item("bmi", "decimal", derive="metabolic.mass / (metabolic.height * metabolic.height)", decimals=1),
        valid_days=30,
    ),
    form("diet", item("asked", "date"), item("meals", "integer", hard=[0, 12])),
    form(
        "bypass",
        item("done", "date", needed=True),
        item("length", "integer", unit="cm", hard=[10, 400]),
        drives="surgery",
    ),
    form("infusion", item("begun", "date", needed=True), reveals_arm=True, drives="treatment_start"),
    form("loss", item("died", "date", needed=True), drives="death"),
    form(
        "leaving",
        item("left", "date", needed=True),
        choice("level", "treatment", "visits", "data", needed=True),
        drives="withdrawal",
    ),
]
DEVIATION = (
    item("dvstdat", "date"),
    choice("dvcat", "consent", "eligibility", "procedure", "visit_window", "treatment", "other"),
    item("dvsubject", "text", required=False),
    item("dvterm", "text"),
    item("dvreason", "text"),
    item("dvaction", "text", required=False),
)
FORMS += [
    form("breach", *DEVIATION, repeating=True, role="deviation"),
    form("arm_breach", *DEVIATION, repeating=True, reveals_arm=True, role="arm_deviation"),
]
_ENDS = ("gone", "going_on", "lethal")
FORMS += [
    form(
        "mishap",
        item("began", "date", partial=True),
        item("words", "text"),
        item("bad", "boolean"),
        choice("fate", *_ENDS, required=False),
        repeating=True,
    ),
    form(
        "alarm",
        item("since", "date"),
        item("learned", "datetime"),
        *(item(name, "datetime", required=False) for name in ("told", "passed_on", "all_told", "shut")),
        item("story", "text"),
        item("mishap_no", "integer", required=False),
        item("why", "multichoice", choices=[{"code": one, "label": text(one)} for one in ("life", "bed")]),
        choice("due_to", "drug", "nothing"),
        item("in_brochure", "boolean"),
        choice("fate", *_ENDS),
        repeating=True,
    ),
]
SAFETY: dict[str, Any] = {
    "event": {"form": "mishap", "onset": "began", "term": "words", "serious": "bad", "outcome": "fate"},
    "report": {
        "form": "alarm",
        "event": "mishap_no",
        "onset": "since",
        "term": "story",
        "outcome": "fate",
        "criteria": "why",
        "relation": "due_to",
        "expected": "in_brochure",
        "aware": "learned",
        "to_sponsor": "told",
        "onward": "passed_on",
        "complete": "all_told",
        "closed": "shut",
    },
    "grave": ["life"],
    "fatal": ["lethal"],
    "ended": ["gone", "lethal"],
    "unrelated": ["nothing"],
}
VISITS: list[dict[str, Any]] = [
    {
        "code": "DAY0",
        "kind": "milestone",
        "day": -1,
        "before": 60,
        "forms": ["metabolic", "diet"],
        "role": "screening",
    },
    {"code": "OP", "kind": "milestone", "day": 0, "forms": ["bypass"], "must_follow": ["DAY0"]},
    {
        "code": "DRAW",
        "kind": "milestone",
        "day": 1,
        "after": 30,
        "forms": ["metabolic"],
        "must_follow": ["OP"],
        "role": "randomization",
    },
    {
        "code": "DRIP",
        "kind": "milestone",
        "anchor": "randomization",
        "day": 1,
        "after": 9,
        "arms": ["DRUG"],
        "reveals_arm": True,
        "forms": ["infusion"],
    },
    {"code": "Q1", "kind": "series", "months": 3, "before": 10, "after": 10, "forms": ["metabolic", "diet"]},
    {"code": "Q2", "kind": "series", "weeks": 26, "before": 10, "after": 10, "forms": ["metabolic"]},
    {"code": "EXTRA", "kind": "unscheduled", "forms": ["metabolic"], "role": "unscheduled"},
    {
        "code": "NOTES",
        "kind": "unscheduled",
        "forms": ["loss", "leaving", "breach", "arm_breach", "mishap", "alarm"],
    },
]
CRITERIA: list[dict[str, Any]] = [
    {"id": "A1", "kind": "inclusion", "basis": "computed", "rule": "25 <= metabolic.bmi < 40"},
    {
        "id": "A2",
        "kind": "inclusion",
        "basis": "computed",
        "rule": "metabolic.glucose >= 7.0",
        # Judged before surgery and asked again at the randomization.
        "recheck_at_randomization": True,
    },
    {"id": "B1", "kind": "exclusion", "basis": "computed", "rule": "diet.meals > setting.most_meals"},
]


def write(folder: Path, *, leave_out: str = "", safety: Any = SAFETY, **settings: Any) -> Path:
    """The protocol's folder under `folder`, without the form `leave_out`."""
    (folder / "forms").mkdir(parents=True)
    first = ROOT / "protocols" / "nct06756087"
    trial = yaml.safe_load((first / "protocol.yaml").read_text(encoding="utf-8"))
    kept = {name: trial[name] for name in ("total_cap", "anchor", "escalation", "discretion")}
    known = {
        "most_meals": 6,
        "family_consent_required": False,
        "follow_not_randomized": True,
        "digest_at": "07:30",
    } | settings
    trial = kept | {
        "id": "SECOND01",
        "version": "1.0",
        "title": text("Diet after bypass"),
        "arms": [
            {"code": "DIET", "label": text("Diet"), "registry_role": "control"},
            {"code": "DRUG", "label": text("Diet and infusion"), "registry_role": "experimental"},
        ],
        "settings": {
            name: {"value": value, "meaning": text(name)}
            for name, value in known.items()
            if value is not None
        },
        "questions": [],
        **({"safety": safety} if safety else {}),
    }
    files: dict[str, Any] = {
        "protocol": trial,
        "sites": yaml.safe_load((first / "sites.yaml").read_text(encoding="utf-8")),
        "schedule": [
            {
                "name": text(str(visit["code"])),
                **visit,
                "forms": [one for one in visit["forms"] if one != leave_out],
            }
            for visit in VISITS
        ],
        "criteria": [{"title": text(one["id"]), **one} for one in CRITERIA],
        "reminders": [],
    } | {f"forms/{one['code']}": one for one in FORMS if one["code"] != leave_out}
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder
