"""What other rooms read: the values of a participant as facts for expressions, with their age."""

import datetime as dt
from collections.abc import Mapping, Sequence

from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.casebook.rules import observation
from trialsite.core import clock
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.expression import Observation, day
from trialsite.protocol.parts import BUILT_IN_FORMS


def facts(
    *,
    participant: Participant,
    definition: Definition,
    t0: dt.date | None,
    events: Sequence[str],
    after: bool = False,
) -> dict[str, Observation]:
    """`form.item` → value, of the complete records at `events`.

    Values older than their form's `valid_days` before `t0`, or dated after it, are stale: they count as unknown. With
    `after` they are those of what is asked again, and count from `t0` on.
    """
    found: dict[str, Observation] = {}
    for record in _complete(participant).filter(event__in=events):
        form = definition.form(record.form)
        found |= of_record(record, form, stale=is_stale(form, record.observed_on, t0, after=after))
    return found


def around(
    participant: Participant, definition: Definition, form: Form, event: str
) -> dict[str, Observation]:
    """The facts beside a form that its expressions name, of the same event if there, else the newest; of any age."""
    named = definition.read_by(form.code)
    found = consent_facts(participant) if "consent" in named else {}
    forms = named - BUILT_IN_FORMS
    if forms:
        rows = _complete(participant).filter(form__in=forms)
        for record in sorted(rows, key=lambda row: (row.event == event, row.created_at, row.pk)):
            found |= of_record(record, definition.form(record.form), stale=False)
    return found


def surgery(definition: Definition, known: Mapping[str, Observation]) -> dt.date | None:
    """The date of the surgery among the facts, if it is there."""
    form = definition.form(definition.parts.driving("surgery").form)
    found = known.get(f"{form.code}.{form.observed_item}")
    return found.taken_on if found else None


def consent_facts(participant: Participant) -> dict[str, Observation]:
    """When patient and family first signed, as local dates; shown with the time.

    Each by its own first signature: where the family signed only an amended form, that is when the family consented. A
    later signature never makes up for a procedure before the first one.
    """
    found: dict[str, Observation] = {}
    given = list(Consent.objects.filter(participant=participant).order_by("patient_signed_at", "pk"))
    for name in ("patient_signed", "family_signed"):
        signed = [(getattr(one, f"{name}_at"), one) for one in given if getattr(one, f"{name}_at")]
        if signed:
            at, consent = min(signed, key=lambda pair: pair[0])
            local = clock.local(at, participant.site.timezone)
            found[f"consent.{name}_on"] = Observation(
                day(local.date()),
                local.date(),
                source=f"consent {consent.form_version}",
                shown=f"{local:%Y-%m-%d %H:%M}",
            )
    return found


def first_procedure(
    participant: Participant, definition: Definition, t0: dt.date | None
) -> dict[str, Observation]:
    """The day of the first procedure of the trial: the earliest result marked `study`, else the surgery itself."""
    days = [t0] if t0 else []
    sourced = [form.code for form in definition.forms if form.source_item]
    for record in _complete(participant).filter(form__in=sourced):
        form = definition.form(record.form)
        source = record.data.get(form.source_item or "", {}).get("value")
        if source == "study" and record.observed_on:
            days.append(record.observed_on)
    if not days:
        return {}
    return {"study.first_procedure_on": Observation(day(min(days)), min(days), shown=min(days).isoformat())}


def versions(participant: Participant, events: Sequence[str]) -> list[tuple[str, int, int]]:
    """("record", id, version) of the complete records at `events`: what a signature over them covers."""
    return [
        ("record", record.pk, record.version) for record in _complete(participant).filter(event__in=events)
    ]


def _complete(participant: Participant) -> RecordQuerySet:
    return Record.objects.filter(participant=participant, state="complete", repeat=1).order_by(
        "created_at", "pk"
    )


def of_record(record: Record, form: Form, *, stale: bool) -> dict[str, Observation]:
    """The entries of a record as facts; `stale` where their validity has run out."""
    source = f"{record.event}/{record.form} v{record.version}"
    return {
        f"{form.code}.{name}": observation(
            form.items[name], stored, taken_on=record.observed_on, stale=stale, source=source
        )
        for name, stored in record.data.items()
        if name in form.items and not form.items[name].derive
    }


def is_stale(form: Form, observed_on: dt.date | None, t0: dt.date | None, *, after: bool = False) -> bool:
    """Whether a value of `form` seen on that day counts no longer, or not yet, at `t0`; with `after`, only not yet."""
    if after:
        return t0 is None or observed_on is None or observed_on < t0
    if form.valid_days is None:
        return False
    if t0 is None or observed_on is None:
        return True
    return not 0 <= (t0 - observed_on).days <= form.valid_days
