"""Gathers what is recorded and has the criteria judged over it."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from eligibility import rules
from eligibility.models import SignedVerdict
from randomization import services as randomization
from randomization.rules.factors import SITE
from trialsite.casebook import checks, values
from trialsite.casebook.entering import observed_on
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.enrollment.errors import StratificationMissing
from trialsite.participants.models import Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Criterion, Definition, Form
from trialsite.protocol.expression import Observation
from trialsite.protocol.parts import Unplayed
from visits.models import Visit


def judge(
    participant: Participant,
    t0: dt.date | None,
    definition: Definition | None = None,
    *,
    records: Sequence[Record] | None = None,
) -> rules.Verdict:
    """The verdict over what screening collects; `t0` is the date of surgery, planned or actual.

    Without it nothing that grows old is known: windows count back from the surgery, never from today. It is by the
    criteria of `definition`, else of the version to which the participant is bound. `records` are all that the
    participant has, where they have been read already: here as in all that follows.
    """
    definition = definition or participant.protocol_version.definition
    parts = definition.parts
    return _judge(participant, definition, parts.first_asked, t0, parts.screening, records=records)


def preview(
    participant: Participant, event: str, form: Form, data: Mapping[str, Any], t0: dt.date | None
) -> rules.Verdict:
    """The verdict as it would be if the entries of one form were saved: nothing is stored."""
    observed = observed_on(form, data)
    definition = participant.protocol_version.definition
    parts = definition.parts
    again = event == parts.randomization.code
    stale = values.is_stale(form, observed, t0, after=again)
    own = checks.own_facts(form, data)
    unsaved = {name: replace(one, taken_on=observed, stale=stale) for name, one in own.items()}
    blank = {f"{form.code}.{name}": Observation(None) for name in form.items}
    criteria = parts.asked_again if again else parts.first_asked
    events = _again(definition) if again else parts.screening
    return _judge(participant, definition, criteria, t0, events, unsaved={**blank, **unsaved})


def decides(definition: Definition, event: str) -> bool:
    """Whether what is recorded at `event` decides on criteria."""
    parts = definition.parts
    return event in parts.screening or (bool(parts.asked_again) and event == parts.randomization.code)


def recheck(participant: Participant, t0: dt.date) -> rules.Verdict | None:
    """The verdict on what is asked again before randomization; None where it is not answered, or nothing is asked.

    `t0` is the date of the surgery.
    """
    parts = participant.protocol_version.definition.parts
    records = values.recorded(participant)
    answers = answers_again(participant, records)
    if not parts.asked_again or any(form.code not in answers for form in parts.recheck):
        return None
    return judge_again(participant, t0, records=records)


def judge_again(
    participant: Participant,
    t0: dt.date,
    definition: Definition | None = None,
    *,
    records: Sequence[Record] | None = None,
) -> rules.Verdict:
    """The verdict on what is asked again, over what is answered of it; `t0` is the date of the surgery."""
    definition = definition or participant.protocol_version.definition
    return _judge(
        participant, definition, definition.parts.asked_again, t0, _again(definition), records=records
    )


def answers_again(participant: Participant, records: Iterable[Record]) -> dict[str, Record]:
    """Those of `records` that answer what is asked again before randomization, by form."""
    definition = participant.protocol_version.definition
    forms, events = {form.code for form in definition.parts.recheck}, _again(definition)
    return {
        one.form: one for one in records if values.counts(one) and one.form in forms and one.event in events
    }


def _again(definition: Definition) -> tuple[str, ...]:
    return (definition.parts.randomization.code,)


def covered(participant: Participant) -> list[tuple[str, int, int]]:
    """The record versions that a signature on eligibility rests on."""
    return values.versions(participant, participant.protocol_version.definition.parts.screening)


def strata(
    participant: Participant, *, complete: bool = True, records: Sequence[Record] | None = None
) -> dict[str, str]:
    """The stratification values: the hospital, and the level of each factor that the installed list names.

    Where a factor's item is not recorded, or its value falls into no level, StratificationMissing is raised; with
    `complete=False` the factor is left out.
    """
    found = {SITE: participant.site.code}
    definition = participant.protocol_version.definition
    factors = randomization.stratification(trial=participant.protocol_version.trial_id)
    if factors and records is None:
        records = values.recorded(participant)
    for factor in factors:
        recorded = values.facts(records=records or (), definition=definition, t0=None, events=(factor.event,))
        seen = recorded.get(f"{factor.form}.{factor.item}")
        level = factor.level_of(_exact(seen.value)) if seen else None
        if level is None and not complete:
            continue
        if level is None:
            item = definition.form(factor.form).items[factor.item]
            raise StratificationMissing(item=item.label.to(get_language() or "en"), event=factor.event)
        found[factor.name] = level
    return found


def worded_strata(participant: Participant) -> list[tuple[str, str]]:
    """The stratification values as far as they are recorded, in the reader's words: the item asked, and its level."""
    known, language = strata(participant, complete=False), get_language() or "en"
    found = [(_("Hospital"), participant.site.name)]
    for factor in randomization.stratification(trial=participant.protocol_version.trial_id):
        if factor.name in known:
            item = participant.protocol_version.definition.form(factor.form).items[factor.item]
            words = {choice.code: choice.label.to(language) for choice in item.choices}
            level = known[factor.name]
            found.append((item.label.to(language), words.get(level, level)))
    return found


def _exact(value: expression.Span | bool | str | frozenset[str] | None) -> Fraction | bool | str | None:
    """A value that can fall into a level: a number below or above a limit, or a set of codes, cannot."""
    if isinstance(value, expression.Span):
        return value.low if value.exact and isinstance(value.low, Fraction) else None
    return value if isinstance(value, bool | str) else None


def reference_day(participant: Participant) -> dt.date | None:
    """T0 from which validity windows count back: the surgery, else the day signed for, else the day planned, if any."""
    operated = driving(participant, "surgery").first()
    if operated and operated.observed_on:
        return operated.observed_on
    signed = SignedVerdict.objects.standing(participant)
    return signed.surgery_on if signed else participant.planned_surgery_on


def days(
    participant: Participant, *drives: str, records: Sequence[Record] | None = None
) -> dict[str, dt.date]:
    """The day of each of these key facts, as far as it is recorded."""
    known = participant.protocol_version.definition.parts
    places: dict[tuple[str, str], str] = {}
    for fact in drives:
        with suppress(Unplayed):
            place = known.driving(fact)
            places[place.event, place.form] = fact
    if records is None:
        rows = Record.objects.filter(participant=participant, form__in=[form for _, form in places])
        seen = list(rows.values_list("event", "form", "observed_on"))
    else:
        seen = [(one.event, one.form, one.observed_on) for one in records]
    return {places[event, form]: on for event, form, on in seen if (event, form) in places and on}


def is_operated(participant: Participant) -> bool:
    """Whether a surgery is recorded."""
    return driving(participant, "surgery").exists()


def surgery_on(participant: Participant) -> dt.date:
    """The date of the surgery that was recorded."""
    return days(participant, "surgery")["surgery"]


def the(participant: Participant, drives: str, records: Iterable[Record]) -> Record:
    """Among `records`, the one of a key fact that is known to be there."""
    place = participant.protocol_version.definition.parts.driving(drives)
    return next(one for one in records if (one.event, one.form) == (place.event, place.form))


def driving(participant: Participant, drives: str) -> RecordQuerySet:
    """The records of a key fact, by the participant's protocol version; none where that does not know it."""
    try:
        place = participant.protocol_version.definition.parts.driving(drives)
    except Unplayed:
        return Record.objects.none()
    return Record.objects.filter(participant=participant, event=place.event, form=place.form)


def randomized_on(participant: Participant) -> dt.date | None:
    """The day of the randomization; None where there was none."""
    code = participant.protocol_version.definition.parts.randomization.code
    visit = Visit.objects.filter(participant=participant, code=code, state=Visit.State.ATTENDED).first()
    return visit.attended_on if visit else None


def _judge(
    participant: Participant,
    definition: Definition,
    criteria: Sequence[Criterion],
    t0: dt.date | None,
    events: Sequence[str],
    *,
    records: Sequence[Record] | None = None,
    unsaved: Mapping[str, Observation] | None = None,
) -> rules.Verdict:
    known = values.recorded(participant) if records is None else records
    read = {name.split(".")[0] for one in criteria for name in definition.rule(one.rule).references}
    facts = {
        **values.facts(
            records=known,
            definition=definition,
            t0=t0,
            events=events,
            after=events == _again(definition),
        ),
        **(unsaved or {}),
        **(values.consent_facts(participant) if "consent" in read else {}),
        **(values.first_procedure(participant, t0, known) if "study" in read else {}),
        "t0": Observation(expression.day(t0), t0, shown=t0.isoformat()) if t0 else Observation(None),
    }
    return rules.judge(criteria, facts, definition.rule)
