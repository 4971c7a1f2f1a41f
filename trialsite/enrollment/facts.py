"""Gathers what is recorded and has the criteria judged over it."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from eligibility import rules
from eligibility.models import SignedVerdict
from trialsite.casebook import values
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.participants.models import Consent, Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Criterion
from trialsite.protocol.expression import Observation

SCREENING: Final = ("SCR",)
BEFORE_RANDOMIZATION: Final = ("RAND",)


def judge(participant: Participant, t0: dt.date) -> rules.Verdict:
    """The verdict on all criteria but those of the recheck; `t0` is the date of surgery, planned or actual."""
    criteria = [
        one for one in participant.protocol_version.definition.criteria if not one.recheck_at_randomization
    ]
    return _judge(participant, criteria, t0, SCREENING)


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
    """The stratification values: the hospital, which no step can change after registration."""
    return {"site": participant.site.code}


def reference_day(participant: Participant) -> dt.date:
    """T0 from which validity windows count back: the surgery, else the day that was signed for, else today."""
    operated = Record.objects.filter(participant=participant, event="SURG", form="surgery").first()
    if operated and operated.observed_on:
        return operated.observed_on
    signed = SignedVerdict.objects.standing(participant)
    return signed.surgery_on if signed else clock.today(participant.site.timezone)


def surgery_on(participant: Participant) -> dt.date:
    """The date of the surgery that was recorded."""
    record = Record.objects.get(participant=participant, event="SURG", form="surgery")
    if record.observed_on is None:
        raise ValueError("a surgery without a date cannot have been saved")
    return record.observed_on


def _judge(
    participant: Participant, criteria: Sequence[Criterion], t0: dt.date, events: Sequence[str]
) -> rules.Verdict:
    definition = participant.protocol_version.definition
    facts = values.facts(participant=participant, definition=definition, t0=t0, events=events)
    facts |= _built_in(participant, t0)
    findings = []
    for criterion in criteria:
        outcome = expression.evaluate(criterion.rule, facts, definition.settings)
        findings.append(
            rules.Finding(
                criterion.id, criterion.kind, rules.state_of(outcome.value), outcome.inputs, outcome.missing
            )
        )
    return rules.verdict(findings)


def _built_in(participant: Participant, t0: dt.date) -> dict[str, Observation]:
    found = {"t0": Observation(expression.day(t0), shown=t0.isoformat())}
    consent = Consent.objects.filter(participant=participant).order_by("patient_signed_at").first()
    if consent:
        for name in ("patient_signed", "family_signed"):
            at = getattr(consent, f"{name}_at")
            if at:
                on = clock.local_date(at, participant.site.timezone)
                found[f"consent.{name}_on"] = Observation(expression.day(on), on, shown=on.isoformat())
    return found
