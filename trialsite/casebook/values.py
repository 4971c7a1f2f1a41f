"""What other rooms read: the values of a participant as facts for expressions, with their age."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from trialsite.casebook import amending
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.casebook.rules import observation
from trialsite.core import clock
from trialsite.core.statements import rows_of
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.expression import Observation, day, instant
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.parts import BUILT_IN_FORMS


def recorded(participant: Participant) -> list[Record]:
    """All that is recorded of a participant, in the order in which it was; each with the version it was filled in by.

    For whoever asks several things of it: read once, it serves them all.
    """
    rows = rows_of(Record, "participant_id = %s ORDER BY created_at, id", participant.pk)
    versions = {participant.protocol_version_id: participant.protocol_version}
    if others := {row.protocol_version_id for row in rows} - versions.keys():
        versions |= ProtocolVersion.objects.defer("document").in_bulk(others)
    for row in rows:
        row.participant, row.protocol_version = participant, versions[row.protocol_version_id]
    return rows


def facts(
    *,
    records: Iterable[Record],
    definition: Definition,
    t0: dt.date | None,
    events: Sequence[str],
    after: bool = False,
) -> dict[str, Observation]:
    """`form.item` → value, of those of `records` that are complete and of `events`.

    Values older than their form's `valid_days` before `t0`, or dated after it, are stale: they count as unknown. With
    `after` they are those of what is asked again, and count from `t0` on. What an amendment asks otherwise is unknown
    until somebody has brought the record over.
    """
    found: dict[str, Observation] = {}
    rows = (row for row in records if counts(row) and row.event in events)
    for record, form in _read_by(definition, rows):
        found |= of_record(record, form, stale=is_stale(form, record.observed_on, t0, after=after))
    return found


def around(
    participant: Participant, definition: Definition, form: Form, event: str, repeat: int
) -> dict[str, Observation]:
    """The facts beside a form that its expressions name, of any age: of the same event if there, else the newest.

    Beside one of a numbered visit those of the same number are of the same event. `repeat` is the number of the form;
    where the form repeats by itself, those at its event have the number 1.
    """
    named = definition.read_by(form.code)
    found = consent_facts(participant) if "consent" in named else {}
    forms = named - BUILT_IN_FORMS
    if forms:
        rows = with_own_form(Record.objects.filter(participant=participant, state="complete", form__in=forms))
        place = event, 1 if form.repeating else repeat
        ordered = sorted(rows, key=lambda row: ((row.event, row.repeat) == place, row.created_at, row.pk))
        for record, read in _read_by(definition, ordered):
            found |= of_record(record, read, stale=False)
    return found


def surgery(definition: Definition, known: Mapping[str, Observation]) -> dt.date | None:
    """The date of the surgery among the facts, if it is there."""
    form = definition.form(definition.parts.driving("surgery").form)
    found = known.get(f"{form.code}.{form.observed_item}")
    return found.taken_on if found else None


def consent_facts(participant: Participant) -> dict[str, Observation]:
    """When patient and family first signed, to the minute, on the clock of the hospital.

    Each by its own first signature: where the family signed only an amended form, that is when the family consented. A
    later signature never makes up for a procedure before the first one.
    """
    found: dict[str, Observation] = {}
    given = rows_of(Consent, "participant_id = %s ORDER BY patient_signed_at, id", participant.pk)
    for name in ("patient_signed", "family_signed"):
        signed = [(getattr(one, f"{name}_at"), one) for one in given if getattr(one, f"{name}_at")]
        if signed:
            at, consent = min(signed, key=lambda pair: pair[0])
            local = clock.local(at, participant.site.timezone)
            found[f"consent.{name}_on"] = Observation(
                instant(local),
                local.date(),
                source=f"consent {consent.form_version}",
                shown=f"{local:%Y-%m-%d %H:%M}",
            )
    return found


def first_procedure(
    participant: Participant, t0: dt.date | None, records: Iterable[Record]
) -> dict[str, Observation]:
    """When the first procedure of the trial took place: what is done for the trial alone, or a result marked `study`.

    Else the surgery itself. Of what took place on that day, the earliest whose time is known gives the time.
    """
    # (day, time or the last of the day, whether the time is known, source)
    known = [(t0, dt.time.max, False, "t0")] if t0 else []
    for record in (row for row in records if row.state == "complete"):
        form = record.protocol_version.definition.form(record.form)
        source = record.data.get(form.source_item or "", {}).get("value")
        if record.observed_on and (form.study_specific or source == "study"):
            at = record.data.get(form.time_item or "", {}).get("value")
            time = dt.time.fromisoformat(at) if at else dt.time.max
            known.append((record.observed_on, time, bool(at), _place(record)))
    if not known:
        return {}
    on, time, timed, place = min(known)
    zone = ZoneInfo(participant.site.timezone)
    value = instant(dt.datetime.combine(on, time, zone)) if timed else day(on)
    shown = f"{on} {time:%H:%M}" if timed else on.isoformat()
    return {"study.first_procedure_on": Observation(value, on, source=place, shown=shown)}


def versions(participant: Participant, events: Sequence[str]) -> list[tuple[str, int, int]]:
    """("record", id, version) of the complete records at `events`: what a signature over them covers."""
    return [
        ("record", record.pk, record.version) for record in _complete(participant).filter(event__in=events)
    ]


def counts(record: Record) -> bool:
    """Whether expressions of other rooms read the record: complete, and the first of its kind."""
    return record.state == "complete" and record.repeat == 1


def _complete(participant: Participant) -> RecordQuerySet:
    rows = Record.objects.filter(participant=participant, state="complete", repeat=1)
    return with_own_form(rows).order_by("created_at", "pk")


def with_own_form(rows: RecordQuerySet) -> RecordQuerySet:
    """With the version of the protocol under which each was filled in."""
    return rows.select_related("protocol_version").defer("protocol_version__document")


def _read_by(definition: Definition, rows: Iterable[Record]) -> Iterator[tuple[Record, Form]]:
    """Each record with its form by `definition`; those whose form is not asked there any more are left out."""
    forms = {form.code: form for form in definition.forms}
    return ((record, forms[record.form]) for record in rows if record.form in forms)


def _place(record: Record) -> str:
    return f"{record.event}/{record.form} v{record.version}"


def of_record(record: Record, form: Form, *, stale: bool) -> dict[str, Observation]:
    """The entries of a record as facts of `form`; `stale` where their validity has run out.

    An entry to a question that `form` asks otherwise (another unit, type or list) than the version under which it was
    given is unknown: to read it by the new one would be a guess.
    """
    own = record.protocol_version.definition.form(record.form)
    return {
        f"{form.code}.{name}": observation(
            form.items[name], stored, taken_on=record.observed_on, stale=stale, source=_place(record)
        )
        for name, stored in record.data.items()
        if amending.same_question(own, form, name) and not form.items[name].derive
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
