"""Verification against the source, freezes and locks, and the investigator's signature over a casebook."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook.errors import (
    AlreadyLifted,
    LockStands,
    NoSuchItem,
    NotAllComplete,
    NotClean,
    NotYetComplete,
    TextNeeded,
)
from trialsite.casebook.models import CasebookSignature, Lock, LockQuerySet, Query, Record, Verification
from trialsite.core import clock
from trialsite.core.errors import Invalid, NotFound
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Unknown
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import signatures
from trialsite.staff.access import require, sites_of
from trialsite.staff.capabilities import CASEBOOK_SIGN, RECORD_LOCK, RECORD_VERIFY
from trialsite.staff.models import User


def verify(*, actor: User, record: Record, items: Sequence[str] = ()) -> list[Verification]:
    """Mark items of a complete record, or the whole form where none is named, as verified against the source.

    What is verified already stays as it is. A verification falls when the entry changes.
    """
    with acting(actor):
        require(actor, RECORD_VERIFY, site=record.site_id)
        locked = Record.objects.select_for_update(of=("self",)).get(pk=record.pk)
        if locked.state == Record.State.DRAFT:
            raise NotYetComplete
        form = locked.protocol_version.definition.form(locked.form)
        for item in items:
            if item not in form.items:
                raise NoSuchItem(item=item[:40], form=form.name)
        wanted = sorted(set(items)) or [""]
        standing = {one.item for one in Verification.objects.standing().filter(record=locked)}
        Verification.objects.bulk_create(
            Verification(
                record=locked,
                participant_id=locked.participant_id,
                site_id=locked.site_id,
                item=item,
                version=locked.version,
                verified_by=actor,
                reveals_arm=locked.reveals_arm,
            )
            for item in wanted
            if item not in standing
        )
        return list(Verification.objects.standing().filter(record=locked, item__in=wanted))


def take_back(*, actor: User, verification: Verification, reason: str) -> None:
    """Take a verification back."""
    with acting(actor, reason=reason):
        require(actor, RECORD_VERIFY, site=verification.site_id)
        _fall(Verification.objects.filter(pk=verification.pk), _reason(reason))


def _fall(rows: Any, why: str) -> None:
    rows.filter(fallen_at=None).update(fallen_at=clock.now(), fallen_reason=why[:300])


def place_lock(
    *,
    actor: User,
    kind: str,
    level: str,
    reason: str,
    participant: Participant | None = None,
    event: str = "",
    record: Record | None = None,
    item: str = "",
) -> Lock:
    """Freeze or lock an item, form, visit, participant, or everything. One of that kind that stands is given back.

    A lock takes the place of a freeze, which is lifted with it; under a lock nothing is frozen: raises LockStands.
    Everything is locked only when it is clean: raises NotClean. What is not verified is the sponsor's to weigh (ICH
    E6(R3) 3.11.4.5 lets verification follow risk).
    """
    whose = record.participant_id if record else participant.pk if participant else None
    site = record.site_id if record else participant.site_id if participant else None
    with acting(actor, reason=reason):
        require(actor, RECORD_LOCK, site=site)
        if level == Lock.Level.DATABASE:
            _require_everywhere(actor)
        if item and record and item not in record.protocol_version.definition.form(record.form).items:
            raise NoSuchItem(item=item[:40], form=record.form)
        _wait_for_writers(whose)
        place = {
            "level": level,
            "participant_id": whose,
            "event": event or (record.event if record else ""),
            "record": record,
            "item": item,
        }
        reveals = record.reveals_arm if record else _reveals(participant, event)
        why = _reason(reason)
        standing = Lock.objects.standing().filter(**place).first()
        if standing and standing.kind == kind:
            return standing
        if standing and standing.kind == Lock.Kind.LOCK:
            raise LockStands(reach=standing.get_level_display(), reason=standing.reason)
        if (level, kind) == (Lock.Level.DATABASE, Lock.Kind.LOCK):
            _require_clean()
        if standing:
            _lift(Lock.objects.filter(pk=standing.pk), actor, _("replaced by a lock"))
        return Lock.objects.create(
            **place,
            kind=kind,
            site_id=site,
            placed_by=actor,
            reason=why,
            reveals_arm=reveals,
        )


def _reveals(participant: Participant | None, event: str) -> bool:
    """Whether to name this event of this participant is to name the arm."""
    if participant is None or not event:
        return False
    try:
        return participant.protocol_version.definition.visit(event).reveals_arm
    except Unknown:
        raise Invalid(fields={"event": [_("The protocol has no such event.")]}) from None


def _wait_for_writers(participant: int | None) -> None:
    """Whoever is saving now ends first: what they checked would not see the lock."""
    if participant is not None:
        Participant.objects.lock(participant)
        return
    with connection.cursor() as cursor:
        # Two who lock everything at once wait for each other too.
        cursor.execute("LOCK TABLE casebook_record IN SHARE ROW EXCLUSIVE MODE")


def lift_lock(*, actor: User, lock: Lock, reason: str) -> Lock:
    """Lift a freeze or lock, with the reason."""
    with acting(actor, reason=reason):
        require(actor, RECORD_LOCK, site=lock.site_id)
        if lock.level == Lock.Level.DATABASE:
            _require_everywhere(actor)
        if not _lift(Lock.objects.standing().filter(pk=lock.pk), actor, _reason(reason)):
            raise AlreadyLifted
        lock.refresh_from_db()
        return lock


def _lift(rows: LockQuerySet, actor: User, why: str) -> int:
    return rows.update(lifted_at=clock.now(), lifted_by=actor, lift_reason=why)


def waiting(participant: Participant) -> list[tuple[Record, Query | None]]:
    """What keeps a casebook from being signed: drafts, then open queries with their records.

    A draft of what an amendment asks for no more can never be completed, and is not waited for; nor is one that holds
    nothing.
    """
    asks = participant.protocol_version.definition.asks
    drafts = Record.objects.filter(participant=participant, state=Record.State.DRAFT).begun()
    queries = Query.objects.open().filter(participant=participant).select_related("record__protocol_version")
    drafts = drafts.select_related("protocol_version").defer("protocol_version__document").order_by("pk")
    queries = queries.defer("record__protocol_version__document").order_by("pk")
    return [
        *((record, None) for record in drafts if asks(record.event, record.form)),
        *((query.record, query) for query in queries),
    ]


def sign_casebook(
    *, actor: User, participant: Participant, password: str, code: str = ""
) -> CasebookSignature:
    """The investigator's signature over every record; falls when one of them changes.

    Raises NotAllComplete while a draft or a query waits, WrongPassword. While the same content stays signed, signing
    again gives the signature that stands.
    """
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        require(actor, CASEBOOK_SIGN, site=locked.site_id)
        records = list(Record.objects.filter(participant=locked).order_by("pk"))
        unfinished = [
            f"{one.event}/{one.form}{f'.{query.item}' if query else ''}" for one, query in waiting(locked)
        ]
        if unfinished or not records:
            raise NotAllComplete(waiting=", ".join(unfinished[:10]) or "–")
        content = {
            "participant": locked.code,
            "records": [
                [one.event, one.form, one.repeat, one.version, signatures.canonical_hash(one.data)]
                for one in records
            ],
        }
        standing = CasebookSignature.objects.standing().filter(participant=locked).first()
        if standing and standing.signature.content_hash == signatures.canonical_hash(content):
            signatures.confirm(
                actor=actor, password=password, code=code, site=locked.site_id, participant=locked.pk
            )
            return standing
        signature = signatures.sign(
            actor=actor,
            password=password,
            code=code,
            meaning=_("I have reviewed this casebook; it is complete and correct to my knowledge."),
            content=content,
            covers=[("record", one.pk, one.version) for one in records],
            site=locked.site,
            participant=locked.pk,
            reveals_arm=True,
        )
        return CasebookSignature.objects.create(
            participant=locked, site_id=locked.site_id, signature=signature, records=len(records)
        )


def _require_everywhere(actor: User) -> None:
    """What reaches everything is for who may lock at all hospitals."""
    if sites_of(actor, RECORD_LOCK) is not None:
        raise NotFound


def _require_clean() -> None:
    """While nobody writes: who may lock everything sees all of it."""
    queries = Query.objects.open().count()
    places = Record.objects.filter(state=Record.State.DRAFT).begun().order_by()
    found = list(places.values_list("participant__protocol_version", "event", "form"))
    versions = ProtocolVersion.objects.defer("document").in_bulk(
        {version for version, _event, _form in found}
    )
    drafts = sum(versions[version].definition.asks(event, form) for version, event, form in found)
    if drafts or queries:
        raise NotClean(drafts=drafts, queries=queries)


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise TextNeeded(fields={"reason": [_("A reason is needed.")]})
    if len(reason) > 300 or "\x00" in reason:
        raise Invalid(fields={"reason": [_("At most 300 characters.")]})
    return reason
