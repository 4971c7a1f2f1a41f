"""What other rooms read: the values of a participant as facts for expressions, with their age."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from trialsite.casebook.models import Record
from trialsite.casebook.rules import observation
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.expression import Observation


def facts(
    *, participant: Participant, definition: Definition, t0: dt.date | None, events: Sequence[str]
) -> dict[str, Observation]:
    """`form.item` → value, of the complete records at `events`.

    Values older than their form's `valid_days` before `t0`, or dated after it, are stale: they count as unknown.
    """
    found: dict[str, Observation] = {}
    for record in _complete(participant, events):
        form = definition.form(record.form)
        found |= _of_record(record, form, stale=_stale(form, record.observed_on, t0))
    return found


def of_values(form: Form, data: Mapping[str, Mapping[str, object]]) -> dict[str, Observation]:
    """The facts that a single form gives, for its own checks."""
    return {
        f"{form.code}.{name}": observation(form.items[name], stored, taken_on=None, stale=False, source="")
        for name, stored in data.items()
        if name in form.items
    }


def versions(participant: Participant, events: Sequence[str]) -> list[tuple[str, int, int]]:
    """("record", id, version) of the complete records at `events`: what a signature over them covers."""
    return [("record", record.pk, record.version) for record in _complete(participant, events)]


def _complete(participant: Participant, events: Sequence[str]) -> Iterable[Record]:
    return Record.objects.filter(
        participant=participant, event__in=events, state="complete", repeat=1
    ).order_by("pk")


def _of_record(record: Record, form: Form, *, stale: bool) -> dict[str, Observation]:
    source = f"{record.event}/{record.form} v{record.version}"
    return {
        f"{form.code}.{name}": observation(
            form.items[name], stored, taken_on=record.observed_on, stale=stale, source=source
        )
        for name, stored in record.data.items()
        if name in form.items
    }


def _stale(form: Form, observed_on: dt.date | None, t0: dt.date | None) -> bool:
    if form.valid_days is None:
        return False
    if t0 is None or observed_on is None:
        return True
    return not 0 <= (t0 - observed_on).days <= form.valid_days
