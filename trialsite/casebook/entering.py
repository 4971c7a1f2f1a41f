"""Entries as a form reads them: by the definition, beside what other forms say, on the hospital's clock."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trialsite.casebook import amending, checks, limits, messages, rules
from trialsite.casebook import values as facts_of
from trialsite.casebook.errors import NoSuchForm, NoSuchNumber, ValuesRefused
from trialsite.casebook.models import MOST_RECORDS, Record
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Definition, Form, Unknown
from trialsite.protocol.expression import Observation


def form_at(definition: Definition, event: str, form: str, repeat: int = 1) -> Form:
    """The form `form` that is collected at `event`, as number `repeat` there; raises NoSuchForm, NoSuchNumber."""
    try:
        if form in definition.visit(event).forms:
            found = definition.form(form)
            if 1 <= repeat <= (MOST_RECORDS if definition.recurs(event, found) else 1):
                return found
            raise NoSuchNumber(form=found.name, event=event)
    except Unknown:
        pass
    raise NoSuchForm(form=form, event=event)


def tells_arm(definition: Definition, event: str, form: Form) -> bool:
    """Whether knowing that this form is filled in at this event is knowing the arm."""
    return form.reveals_arm or definition.visit(event).reveals_arm


def observed_on(form: Form, data: Mapping[str, Mapping[str, Any]]) -> dt.date | None:
    """The date that dates the values of `data`, where it is exact."""
    stored = data.get(form.observed_item or "", {}).get("value")
    if not stored:
        return None
    span = expression.partial_date(str(stored))
    return span.low if span.exact else None


@dataclass(frozen=True)
class Trial:
    """Entries as they would be read, before anything is saved: what can be stored, what is at fault, what applies."""

    data: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, list[str]]
    not_asked: frozenset[str]


def try_values(
    *, participant: Participant, event: str, form: Form, values: Mapping[str, Any], repeat: int = 1
) -> Trial:
    """Read entries as a draft without saving them."""
    definition = participant.protocol_version.definition
    reading = _reading(participant, definition, form, values, complete=False)
    around = facts_of.around(participant, definition, form, event, repeat)
    facts = {**around, **checks.own_facts(form, reading.data)}
    faults = checks.faults(form, reading, facts, definition.rule, complete=False)
    return Trial(
        checks.with_computed(form, reading.data, facts, definition.rule),
        messages.worded(faults),
        frozenset(
            name for name, item in form.items.items() if checks.asked(item, facts, definition.rule) is False
        ),
    )


def read(
    participant: Participant,
    definition: Definition,
    form: Form,
    values: Mapping[str, Any],
    around: Mapping[str, Observation],
    *,
    complete: bool,
) -> dict[str, Mapping[str, Any]]:
    """`values` as they are stored, computed items among them. Raises ValuesRefused, naming the items."""
    reading = _reading(participant, definition, form, values, complete=complete)
    facts = {**around, **checks.own_facts(form, reading.data)}
    faults = checks.faults(form, reading, facts, definition.rule, complete=complete)
    if faults:
        raise ValuesRefused(fields=messages.told(faults))
    return checks.with_computed(form, reading.data, facts, definition.rule)


def plan_migration(participant: Participant, record: Record) -> amending.Migration | None:
    """What bringing the record over to the participant's version would do; None where there is nothing to do."""
    if record.protocol_version_id == participant.protocol_version_id:
        return None
    old, definition = record.protocol_version, participant.protocol_version.definition
    form = form_at(definition, record.event, record.form)
    before = old.definition.form(form.code)
    if form.drives or amending.same_questions(before, form):
        return None
    values = amending.carried(before, form, record.data)
    reading = _reading(participant, definition, form, values, complete=False)
    around = facts_of.around(participant, definition, form, record.event, record.repeat)
    return amending.migration(before, form, record.data, reading=reading, around=around, rule=definition.rule)


def _reading(
    participant: Participant, definition: Definition, form: Form, values: Mapping[str, Any], *, complete: bool
) -> rules.Reading:
    return rules.read_values(
        form,
        values,
        now=clock.local(clock.now(), participant.site.timezone),
        complete=complete,
        limits=limits.for_values(participant, definition, form, values),
    )
