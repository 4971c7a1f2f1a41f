"""Working off: each row through the one door of clinical data, each batch in one transaction.

What a batch saved and how far it came are committed together: a worker that is killed loses no row that was counted,
and counts none that was not saved.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils.translation import override

from trialsite.audit.context import acting
from trialsite.casebook import limits, messages
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.rules import Fault
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import DomainError, NotFound
from trialsite.imports.errors import Defect, RefusedByDatabase
from trialsite.imports.models import Import, RowFault
from trialsite.imports.reading import read, table_of
from trialsite.imports.rows import Row, batches, without_register
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Unknown
from trialsite.staff.access import has, require
from trialsite.staff.capabilities import RECORD_EDIT, SCHEDULE_PLAN
from trialsite.staff.models import User

log = logging.getLogger(__name__)
BATCH: Final = 20


class _Tried(Exception):
    """Ends a row that was only tried: what it wrote is undone."""

    def __init__(self, *, changed: bool) -> None:
        super().__init__()
        self.changed = changed


def work_off(*, actor: User, number: int) -> Import | None:
    """Work off an import as whoever asked for it, from the first row that is not committed yet.

    None where `actor` has no such import. Two workers never work on it at once; running it again changes nothing.
    """
    with acting(actor):
        found = Import.objects.visible_to(actor).select_related("file").filter(pk=number).first()
        if found is None or found.state != Import.State.WAITING:
            return found
        if not _may_go_on(actor):
            _stop(found)
            return found
        rows = read(bytes(found.file.content), found.format, table_of(actor, found.form))
    for batch in batches(rows, found.done, BATCH):
        if not _commit(actor, found, batch):
            break
    with acting(actor):
        found.refresh_from_db()
    return found


def session_of(*, actor: User, number: int) -> str:
    """The token that an import came with, as the row policies read it; empty where none, or no such import."""
    with acting(actor):
        given = Import.objects.visible_to(actor).filter(pk=number).values_list("session", flat=True)
        return given.first() or ""


def waiting(*, actor: User) -> list[tuple[int, int]]:
    """(import, requester) of those that wait: a worker died, or the broker was not told."""
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        return list(Import.objects.open().order_by("pk").values_list("pk", "requested_by_id"))


def _commit(actor: User, found: Import, batch: Sequence[Row]) -> bool:
    """Save a batch and count it; False where another worker has it, or it may not go on."""
    why = f"{found.reason} (import {found.pk}, {found.sha256[:16]})"
    with acting(actor, reason=why, durable=True):
        mine = Import.objects.open().select_for_update(skip_locked=True, of=("self",))
        locked = mine.filter(pk=found.pk, done=batch[0].number - 1).first()
        if locked is None:
            return False
        if not _may_go_on(actor):
            _stop(locked)
            return False
        for row in batch:
            _count(actor, locked, row, why)
        locked.done += len(batch)
        if locked.done == locked.rows:
            locked.state, locked.finished_at = Import.State.DONE, clock.now()
        locked.save(update_fields=["state", "finished_at", "done", "saved", "unchanged", "refused"])
        return True


def _may_go_on(actor: User) -> bool:
    return actor.is_active and has(actor, RECORD_EDIT)


def _stop(found: Import) -> None:
    """Its requester may not save any more: what is left of it stays undone."""
    found.state, found.finished_at = Import.State.STOPPED, clock.now()
    found.save(update_fields=["state", "finished_at"])


def _count(actor: User, found: Import, row: Row, why: str) -> None:
    refusal: DomainError = Defect()
    try:
        if _changed(actor, found, row, f"{why}, row {row.number}"):
            found.saved += 1
        else:
            found.unchanged += 1
        return
    except DomainError as refused:
        refusal = refused
    except (OperationalError, InterfaceError):
        raise  # the database is away, or two rows wait for each other: the batch comes again
    except DatabaseError:
        log.exception("import %s row %s", found.pk, row.number)
        refusal = RefusedByDatabase()
    except Exception:
        log.exception("import %s row %s", found.pk, row.number)
    found.refused += 1
    RowFault.objects.create(
        of=found,
        row=row.number,
        participant=row.participant,
        event=row.event,
        code=refusal.code,
        said=_said(refusal),
    )


def _said(refusal: DomainError) -> dict[str, Any]:
    """The words of a refusal in each language."""
    said = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            said[language[:2]] = {"message": str(refusal), "fields": refusal.fields}
    return said


def _changed(actor: User, found: Import, row: Row, why: str) -> bool:
    """Save one row, or try it; whether it changes something."""
    if row.faults:
        raise ValuesRefused(fields=messages.told(row.faults))
    try:
        with transaction.atomic():
            changed = _save(actor, found, row, why)
            if found.dry_run:
                raise _Tried(changed=changed)
            return changed
    except _Tried as tried:
        return tried.changed


def _save(actor: User, found: Import, row: Row, why: str) -> bool:
    participant = _participant(actor, found, row)
    _require_same_place(participant, row)
    places = Record.objects.visible_to(actor).filter(participant=participant)
    stored = places.filter(event=row.event, form=found.form, repeat=row.repeat).first()
    return save_record(
        actor=actor,
        participant=participant,
        event=row.event,
        form=found.form,
        repeat=row.repeat,
        values=_values(participant, found.form, row.values, stored.data if stored else {}),
        expected_version=row.version if stored else None,
        reason=why,
        complete=row.complete,
        partial=True,
    ).changed


def _participant(actor: User, found: Import, row: Row) -> Participant:
    """Whose row it is; one answer for a code that is not there and for one of another hospital. NotFound."""
    participant = Participant.objects.visible_to(actor).with_protocol().filter(code=row.participant).first()
    if participant is None or (found.sites is not None and participant.site_id not in found.sites):
        raise NotFound(fields=messages.told({"participant": Fault("no_participant")}))
    return participant


def _require_same_place(participant: Participant, row: Row) -> None:
    """A file that names another trial or hospital is about somebody else."""
    wrong = {
        name: Fault("another_place", {"here": here})
        for name, given, here in (
            ("trial", row.trial, participant.protocol_version.trial_id),
            ("hospital", row.hospital, participant.site.code),
        )
        if given and given != here
    }
    if wrong:
        raise ValuesRefused(fields=messages.told(wrong))


def _values(
    participant: Participant, code: str, given: Mapping[str, Any], stored: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The entries for the participant's version of the form; columns of other versions may stand there empty.

    A limit of normal that somebody entered stays an entry, also where the register says the same by now.
    """
    definition = participant.protocol_version.definition
    try:
        form = definition.form(code)
    except Unknown:
        return given
    named = {name: entry for name, entry in given.items() if entry is not None or name in form.items}
    register = limits.for_values(participant, definition, form, named)
    by_hand = {name for name, entry in stored.items() if "uln" in entry and "uln_from" not in entry}
    known = {name: limit.si for name, limit in register.items() if name not in by_hand}
    return without_register(named, known, form.items)
