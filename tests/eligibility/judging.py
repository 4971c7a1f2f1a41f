"""Judges values without a database: the forms of screening as they are entered, over a protocol as it is read."""

import copy
import datetime as dt
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from eligibility import rules
from trialsite.casebook.checks import own_facts
from trialsite.casebook.rules import read_values
from trialsite.demo import casebook
from trialsite.protocol.definition import Definition
from trialsite.protocol.expression import Observation, day
from trialsite.protocol.reader import read

FOLDER = Path(__file__).resolve().parents[2] / "protocols" / "nct06756087"
T0 = dt.date(2026, 3, 10)
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
SEEN = dt.date(2026, 3, 8)
CONSENT = dt.date(2026, 3, 2)
Forms = Mapping[str, Mapping[str, Any]]


@cache
def document() -> dict[str, Any]:
    found, problems = read(FOLDER)
    assert problems == []
    return found


def definition(**settings: Any) -> Definition:
    """The protocol, with other values of some settings."""
    if not settings:
        return _plain()
    changed = copy.deepcopy(document())
    for name, value in settings.items():
        changed["trial"]["settings"][name]["value"] = value
    return Definition.from_document(changed)


@cache
def _plain() -> Definition:
    return Definition.from_document(document())


def screening(on: dt.date = SEEN, /, **changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The forms of an eligible person, seen `on` that day, with `changes` laid over them."""
    forms = casebook.screening(on)
    return {code: {**values, **changes.get(code, {})} for code, values in forms.items()}


def facts_of(protocol: Definition, forms: Forms, t0: dt.date = T0) -> dict[str, Observation]:
    """The facts of `forms` for a surgery on `t0`, with the consent eight days before it."""
    seen, consent = t0 - (T0 - SEEN), t0 - (T0 - CONSENT)
    facts: dict[str, Observation] = {
        "t0": Observation(day(t0), t0),
        "consent.patient_signed_on": Observation(day(consent), consent),
        "consent.family_signed_on": Observation(day(consent), consent),
        "study.first_procedure_on": Observation(day(seen), seen),
    }
    for code, values in forms.items():
        reading = read_values(protocol.form(code), values, now=NOW + (t0 - T0), complete=False)
        assert reading.faults == {}
        facts |= own_facts(protocol.form(code), reading.data)
    return facts


def judge_facts(
    protocol: Definition, facts: Mapping[str, Observation], *, recheck: bool = False
) -> rules.Verdict:
    asked = [one for one in protocol.criteria if one.recheck_at_randomization == recheck]
    return rules.judge(asked, facts, protocol.rule)


def judge(forms: Forms, *, recheck: bool = False, **settings: Any) -> rules.Verdict:
    protocol = definition(**settings)
    return judge_facts(protocol, facts_of(protocol, forms), recheck=recheck)


def state(forms: Forms, criterion: str, **settings: Any) -> bool | None:
    """Whether the criterion lets the person in."""
    found = judge(forms, **settings).findings
    return next(one.satisfied for one in found if one.id == criterion)
