"""Gathers what is recorded and has the criteria judged over it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from django.utils.translation import get_language

from eligibility import rules
from eligibility.models import SignedVerdict
from randomization import services as randomization
from randomization.rules.factors import SITE
from trialsite.casebook import checks, values
from trialsite.casebook.models import Record
from trialsite.casebook.services import observed_on
from trialsite.core import clock
from trialsite.enrollment.errors import StratificationMissing
from trialsite.participants.models import Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Criterion, Form
from trialsite.protocol.expression import Observation

SCREENING: Final = ("SCR",)
BEFORE_RANDOMIZATION: Final = ("RAND",)


def judge(participant: Participant, t0: dt.date) -> rules.Verdict:
    """The verdict on all criteria but those of the recheck; `t0` is the date of surgery, planned or actual."""
    criteria = [
        one for one in participant.protocol_version.definition.criteria if not one.recheck_at_randomization
    ]
    return _judge(participant, criteria, t0, SCREENING)


def preview(
    participant: Participant, event: str, form: Form, data: Mapping[str, Any], t0: dt.date
) -> rules.Verdict:
    """The verdict as it would be if the entries of one form were saved: nothing is stored."""
    observed = observed_on(form, data)
    stale = values.is_stale(form, observed, t0)
    own = checks.own_facts(form, data)
    unsaved = {name: replace(one, taken_on=observed, stale=stale) for name, one in own.items()}
    blank = {f"{form.code}.{name}": Observation(None) for name in form.items}
    recheck_only = event in BEFORE_RANDOMIZATION
    criteria = [
        one
        for one in participant.protocol_version.definition.criteria
        if one.recheck_at_randomization == recheck_only
    ]
    events = BEFORE_RANDOMIZATION if recheck_only else SCREENING
    return _judge(participant, criteria, t0, events, {**blank, **unsaved})


def recheck(participant: Participant) -> rules.Verdict | None:
    """The verdict on what is asked again before randomization; None where the form has not been filled in."""
    criteria = [
        one for one in participant.protocol_version.definition.criteria if one.recheck_at_randomization
    ]
    answered = Record.objects.filter(participant=participant, event="RAND", form="recheck", state="complete")
    if not criteria or not answered.exists():
        return None
    return _judge(participant, criteria, surgery_on(participant), BEFORE_RANDOMIZATION)


def covered(participant: Participant) -> list[tuple[str, int, int]]:
    """The record versions that a signature on eligibility rests on."""
    return values.versions(participant, SCREENING)


def strata(participant: Participant) -> dict[str, str]:
    """The stratification values: the hospital, and the level of each factor that the installed list names.

    Raises StratificationMissing where a factor's item is not recorded, or its value falls into no level.
    """
    found = {SITE: participant.site.code}
    definition = participant.protocol_version.definition
    for factor in randomization.stratification(trial=participant.protocol_version.trial_id):
        recorded = values.facts(
            participant=participant, definition=definition, t0=None, events=(factor.event,)
        )
        seen = recorded.get(f"{factor.form}.{factor.item}")
        level = factor.level_of(_exact(seen.value)) if seen else None
        if level is None:
            item = definition.form(factor.form).items[factor.item]
            raise StratificationMissing(item=item.label.to(get_language() or "en"), event=factor.event)
        found[factor.name] = level
    return found


def _exact(value: expression.Span | bool | str | frozenset[str] | None) -> Fraction | bool | str | None:
    """A value that can fall into a level: a number below or above a limit, or a set of codes, cannot."""
    if isinstance(value, expression.Span):
        return value.low if value.exact and isinstance(value.low, Fraction) else None
    return value if isinstance(value, bool | str) else None


def reference_day(participant: Participant) -> dt.date:
    """T0 from which validity windows count back: the surgery, else the day that was signed for, else today."""
    operated = Record.objects.filter(participant=participant, event="SURG", form="surgery").first()
    if operated and operated.observed_on:
        return operated.observed_on
    signed = SignedVerdict.objects.standing(participant)
    return signed.surgery_on if signed else clock.today(participant.site.timezone)


def is_operated(participant: Participant) -> bool:
    """Whether a surgery is recorded."""
    return Record.objects.filter(participant=participant, event="SURG", form="surgery").exists()


def surgery_on(participant: Participant) -> dt.date:
    """The date of the surgery that was recorded."""
    record = Record.objects.get(participant=participant, event="SURG", form="surgery")
    if record.observed_on is None:
        raise ValueError("a surgery without a date cannot have been saved")
    return record.observed_on


def _judge(
    participant: Participant,
    criteria: Sequence[Criterion],
    t0: dt.date,
    events: Sequence[str],
    unsaved: Mapping[str, Observation] | None = None,
) -> rules.Verdict:
    definition = participant.protocol_version.definition
    facts = {
        **values.facts(participant=participant, definition=definition, t0=t0, events=events),
        **(unsaved or {}),
        **values.consent_facts(participant),
        **values.first_procedure(participant, definition, t0),
        "t0": Observation(expression.day(t0), t0, shown=t0.isoformat()),
    }
    return rules.judge(criteria, facts, definition.rule)
