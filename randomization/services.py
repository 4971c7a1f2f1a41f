"""Allocating: `allocate` is called by enrollment alone (an import wall)."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext

from randomization import continuity, opening, witness
from randomization.errors import (
    CapReached,
    EnvelopeDiffers,
    EnvelopeOutOfTurn,
    KeyReused,
    LedgerBroken,
    NoList,
    OtherEnvironment,
    RandomizationPaused,
    StrataChanged,
)
from randomization.installing import install_list
from randomization.models import Allocation, Kind, Scheme, Stratum
from randomization.rules import factors, ledger, sealing
from trialsite.core import clock
from trialsite.core.statements import columns_of, insert, made_of, row_of, rows_of
from trialsite.participants.models import Participant
from trialsite.sites.models import Site
from trialsite.sites.services import require_active
from trialsite.staff.access import require
from trialsite.staff.capabilities import RANDOMIZE
from trialsite.staff.models import User

__all__ = [
    "Outcome",
    "allocate",
    "allocate_by_envelope",
    "install_list",
    "stored",
    "strata_hash",
    "stratification",
]


@dataclass(frozen=True)
class Outcome:
    """An allocation as it was made; `replayed` says that this request found it already made."""

    participant: Participant
    arm: str
    position: int
    stratum: str
    allocated_at: dt.datetime
    ledger_head: str
    idempotency_key: str
    replayed: bool
    opened_at: dt.datetime | None = None

    @property
    def randomized_at(self) -> dt.datetime:
        """When the arm became known: at the opening of the envelope, or by the system."""
        return self.opened_at or self.allocated_at


def strata_hash(strata: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the frozen stratification values."""
    return hashlib.sha256(factors.key(strata).encode()).hexdigest()


def stored(
    *, participant: Participant, strata: Mapping[str, str] | None, idempotency_key: str = ""
) -> Outcome | None:
    """The participant's allocation where there is one. Kept for good: it answers in every later status.

    Asked under the participant's lock, so that nobody is allocated meanwhile. Raises StrataChanged where `strata` were
    confirmed that are not the frozen ones, KeyReused where the key stands for another participant.
    """
    either = "participant_id = %s OR idempotency_key = %s"
    # No key is nobody's.
    rows = rows_of(Allocation, either, participant.pk, idempotency_key or None)
    made = {one.participant_id: one for one in rows}
    if participant.pk not in made:
        if made:
            raise KeyReused
        return None
    known = made[participant.pk]
    if strata is not None and strata_hash(strata) != known.strata_hash:
        raise StrataChanged(participant=participant.code)
    return _outcome(known, participant, replayed=True)


def allocate(
    *,
    actor: User,
    participant: Participant,
    site: Site,
    strata: Mapping[str, str],
    eligibility_hash: str,
    idempotency_key: str,
) -> Outcome:
    """Give the participant the next free entry of the stratum (ICH E9 2.3.2), inside the caller's transaction.

    The scheme's row is locked first, so allocations of the whole trial come one after another. The caller holds the
    participant under lock and has asked for the answer that is `stored`: a second allocation of somebody is an error.
    Raises KeyReused, NoList, RandomizationPaused, SiteNotActive, CapReached, LedgerBroken, ListDamaged; the caller's
    transaction is then to be rolled back.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("allocate needs the caller's transaction")
    require(actor, RANDOMIZE, site=site)
    scheme, era_holds = _lock(participant.protocol_version.trial_id)
    stratum = _require_open(scheme, strata, era_holds=era_holds)
    index = _advance(stratum, "next_index")
    opened = opening.open_next(scheme, stratum, index, strata)
    return _record(
        actor,
        scheme,
        stratum,
        Kind.MAIN,
        index,
        opened,
        participant,
        strata,
        eligibility_hash,
        idempotency_key,
    )


def allocate_by_envelope(
    *,
    actor: User,
    participant: Participant,
    site: Site,
    strata: Mapping[str, str],
    eligibility_hash: str,
    idempotency_key: str,
    number: int,
    arm: str,
    check_code: str,
    opened_at: dt.datetime,
) -> Outcome:
    """Enter what sealed envelope `number` of the stratum gave on paper while the system was down.

    Envelopes are entered in their order, whatever is paused by now: the participant has the arm already. Raises
    EnvelopeOutOfTurn, EnvelopeDiffers, and what `allocate` raises. Whoever has not seen the paper learns nothing from
    EnvelopeDiffers: without the check code that stands on it, the right arm is refused like the wrong one.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("allocate_by_envelope needs the caller's transaction")
    require(actor, RANDOMIZE, site=site)
    scheme, era_holds = _lock(participant.protocol_version.trial_id)
    why = continuity.break_in(scheme, same_cluster=era_holds)
    if why:
        raise LedgerBroken(why=gettext(why))
    stratum = Stratum.objects.filter(scheme=scheme, key=factors.key(strata)).first()
    if stratum is None or stratum.next_emergency > stratum.emergency_length:
        raise NoList
    if scheme.position >= scheme.total_cap:
        raise CapReached
    if number != stratum.next_emergency:
        raise EnvelopeOutOfTurn(number=stratum.next_emergency)
    index = _advance(stratum, "next_emergency")
    opened = opening.open_envelope(scheme, stratum, index)
    if not (sealing.has_check_code(opened.r, check_code) and opened.arm == arm):
        raise EnvelopeDiffers(number=number)
    return _record(
        actor,
        scheme,
        stratum,
        Kind.EMERGENCY,
        index,
        opened,
        participant,
        strata,
        eligibility_hash,
        idempotency_key,
        opened_at,
    )


def stratification(*, trial: str) -> tuple[factors.Factor, ...]:
    """The factors besides the hospital, which the statistician's specification names; none without a list."""
    return tuple(
        factors.Factor.of(one) for scheme in rows_of(Scheme, "trial = %s", trial) for one in scheme.factors
    )


def _lock(trial: str) -> tuple[Scheme, bool]:
    """The scheme under its lock, which orders all allocations of the trial; and whether its era holds in this database.

    Both in one statement, built once. Raises NoList, OtherEnvironment.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT edc_era_holds(r.id), {columns_of(Scheme, 'r')}"  # noqa: S608 -- the names of a model
            " FROM randomization_scheme r WHERE trial = %s FOR UPDATE",
            [trial],
        )
        found = cursor.fetchone()
    if found is None:
        raise NoList
    scheme = made_of(Scheme, found[1:])
    # The database may have been brought here from elsewhere since the list was installed.
    if scheme.environment != settings.TRIALSITE_ENV:
        raise OtherEnvironment(environment=scheme.environment)
    return scheme, bool(found[0])


def _require_open(scheme: Scheme, strata: Mapping[str, str], *, era_holds: bool) -> Stratum:
    """The stratum, after asking for states, caps and whether the ledger goes on; the database asks once more.

    Raises RandomizationPaused, LedgerBroken, NoList, SiteNotActive, CapReached.
    """
    if scheme.state != Scheme.State.ACTIVE:
        raise RandomizationPaused
    why = continuity.break_in(scheme, same_cluster=era_holds)
    if why:
        raise LedgerBroken(why=gettext(why))
    known = rows_of(Stratum, "scheme_id = %s", scheme.pk)
    stratum = next((one for one in known if one.key == factors.key(strata)), None)
    site = row_of(Site, stratum.site_id) if stratum else None
    if stratum is None or site is None:
        raise NoList
    require_active(site)
    if stratum.state != Stratum.State.ACTIVE:
        raise RandomizationPaused
    at_site = sum(one.used for one in known if one.site_id == stratum.site_id)
    if (
        scheme.position >= _least(scheme.cap, scheme.total_cap)
        or at_site >= _least(site.cap, site.limit, scheme.total_cap)
        or stratum.next_index > stratum.length
        or (stratum.cap is not None and stratum.used >= stratum.cap)
    ):
        raise CapReached
    return stratum


def _least(*caps: int | None) -> int:
    return min(cap for cap in caps if cap is not None)


def _advance(stratum: Stratum, counter: str) -> int:
    """The entry that is taken: one row counts on, and nobody else until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE randomization_stratum SET {counter} = {counter} + 1"  # noqa: S608 -- one of two names
            f" WHERE id = %s RETURNING {counter} - 1",
            [stratum.pk],
        )
        return int(cursor.fetchone()[0])


def _record(
    actor: User,
    scheme: Scheme,
    stratum: Stratum,
    kind: Kind,
    index: int,
    opened: opening.Opened,
    participant: Participant,
    strata: Mapping[str, str],
    eligibility_hash: str,
    idempotency_key: str,
    opened_at: dt.datetime | None = None,
) -> Outcome:
    now = clock.now()
    row = ledger.Row(
        position=scheme.position + 1,
        participant=participant.code,
        stratum=stratum.key,
        index=index,
        arm=opened.arm,
        r=opened.r,
        strata_hash=strata_hash(strata),
        eligibility_hash=eligibility_hash,
        user=actor.username,
        at=now.isoformat(timespec="microseconds"),
        previous=scheme.head,
        kind=kind,
    )
    scheme.position, scheme.head = row.position, row.hash()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE randomization_scheme SET position = %s, head = %s WHERE id = %s",
            [scheme.position, scheme.head, scheme.pk],
        )
    made = Allocation(
        participant=participant,
        site_id=stratum.site_id,
        stratum=stratum,
        kind=kind,
        index=index,
        arm=opened.arm,
        r=opened.r,
        path=opened.path,
        opened_at=opened_at,
        strata=dict(strata),
        strata_hash=row.strata_hash,
        eligibility_hash=eligibility_hash,
        idempotency_key=idempotency_key,
        position=row.position,
        allocated_at=now,
        allocated_by=actor,
        previous_hash=row.previous,
        hash=scheme.head,
    )
    try:
        insert(made)
    except IntegrityError as error:
        # A key stands for one participant, for good; it may be one of another hospital, whose rows nobody sees here.
        if "idempotency_key" in str(error):
            raise KeyReused from error
        raise
    seen = witness.Head(scheme.trial, scheme.environment, scheme.position, scheme.head)
    transaction.on_commit(lambda: witness.append_committed(seen))
    return _outcome(made, participant, replayed=False)


def _outcome(allocation: Allocation, participant: Participant, *, replayed: bool) -> Outcome:
    return Outcome(
        participant=participant,
        arm=allocation.arm,
        position=allocation.position,
        stratum=allocation.stratum.key,
        allocated_at=allocation.allocated_at,
        ledger_head=allocation.hash,
        idempotency_key=allocation.idempotency_key,
        opened_at=allocation.opened_at,
        replayed=replayed,
    )
