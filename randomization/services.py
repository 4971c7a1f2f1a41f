"""Installing the list, allocating, pausing. `allocate` is called by enrollment alone (an import wall)."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, connection, transaction

from randomization import opening
from randomization.errors import (
    CapReached,
    KeyReused,
    NoList,
    RandomizationPaused,
    StrataChanged,
)
from randomization.installing import install_list
from randomization.models import Allocation, Scheme, Stratum
from randomization.rules import factors, ledger
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import RANDOMIZE, SEQUENCE_MANAGE
from trialsite.staff.models import User

__all__ = ["STATES", "Outcome", "allocate", "install_list", "made_by", "set_state", "strata_hash"]

STATES: Final[Mapping[str, frozenset[str]]] = {
    "active": frozenset({"paused", "closed"}),
    "paused": frozenset({"active", "closed"}),
    "closed": frozenset(),
}


@dataclass(frozen=True)
class Outcome:
    """An allocation as it was made; `replayed` says that this request found it already made."""

    arm: str
    position: int
    stratum: str
    allocated_at: dt.datetime
    ledger_head: str
    replayed: bool


def strata_hash(strata: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the frozen stratification values."""
    return hashlib.sha256(factors.key(strata).encode()).hexdigest()


def made_by(*, participant: Participant, idempotency_key: str) -> bool:
    """Whether the participant's allocation was made by the request with this very key."""
    return Allocation.objects.filter(participant=participant, idempotency_key=idempotency_key).exists()


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

    The scheme's row is locked first, so allocations of the whole trial come one after another. A participant who has
    an allocation gets that answer. Raises KeyReused, StrataChanged, NoList, RandomizationPaused, CapReached,
    ListDamaged.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("allocate needs the caller's transaction")
    require(actor, RANDOMIZE, site=site)
    trial = participant.protocol_version.trial_id
    scheme = Scheme.objects.select_for_update().filter(trial=trial).first()
    if scheme is None:
        raise NoList
    frozen = strata_hash(strata)
    known = Allocation.objects.filter(participant=participant).select_related("stratum").first()
    if known:
        if known.strata_hash != frozen:
            raise StrataChanged(participant=participant.code)
        return _outcome(known, replayed=True)
    if Allocation.objects.filter(idempotency_key=idempotency_key).exists():
        raise KeyReused
    stratum = _require_open(scheme, site, strata)
    try:
        with transaction.atomic():
            made = _write(
                actor, scheme, stratum, participant, strata, frozen, eligibility_hash, idempotency_key
            )
    except IntegrityError as error:
        # Under the lock only a key of another hospital, whose rows this actor cannot see, comes so far.
        if "idempotency_key" in str(error):
            raise KeyReused from error
        raise
    return _outcome(made, replayed=False)


def _require_open(scheme: Scheme, site: Site, strata: Mapping[str, str]) -> Stratum:
    if scheme.state != Scheme.State.ACTIVE:
        raise RandomizationPaused
    stratum = Stratum.objects.filter(scheme=scheme, key=factors.key(strata)).first()
    if stratum is None:
        raise NoList
    at_site = (
        sum(Stratum.objects.filter(scheme=scheme, site=site).values_list("next_index", flat=True))
        - Stratum.objects.filter(scheme=scheme, site=site).count()
    )
    if (
        scheme.position >= scheme.total_cap
        or (site.cap is not None and at_site >= site.cap)
        or stratum.next_index > stratum.length
    ):
        raise CapReached
    return stratum


def _write(
    actor: User,
    scheme: Scheme,
    stratum: Stratum,
    participant: Participant,
    strata: Mapping[str, str],
    frozen: str,
    eligibility_hash: str,
    idempotency_key: str,
) -> Allocation:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE randomization_stratum SET next_index = next_index + 1 WHERE id = %s RETURNING next_index - 1",
            [stratum.pk],
        )
        index = cursor.fetchone()[0]
    opened = opening.open_next(scheme, stratum, index, strata)
    now = clock.now()
    row = ledger.Row(
        position=scheme.position + 1,
        participant=participant.code,
        stratum=stratum.key,
        index=index,
        arm=opened.arm,
        r=opened.r,
        strata_hash=frozen,
        eligibility_hash=eligibility_hash,
        user=actor.username,
        at=now.isoformat(timespec="microseconds"),
        previous=scheme.head,
    )
    scheme.position, scheme.head = row.position, row.hash()
    scheme.save(update_fields=["position", "head"])
    return Allocation.objects.create(
        participant=participant,
        site_id=stratum.site_id,
        stratum=stratum,
        index=index,
        strata=dict(strata),
        arm=opened.arm,
        r=opened.r,
        path=opened.path,
        strata_hash=frozen,
        eligibility_hash=eligibility_hash,
        idempotency_key=idempotency_key,
        position=row.position,
        allocated_at=now,
        allocated_by=actor,
        previous_hash=row.previous,
        hash=scheme.head,
    )


def _outcome(allocation: Allocation, *, replayed: bool) -> Outcome:
    return Outcome(
        arm=allocation.arm,
        position=allocation.position,
        stratum=allocation.stratum.key,
        allocated_at=allocation.allocated_at,
        ledger_head=allocation.hash,
        replayed=replayed,
    )


def set_state(*, actor: User, scheme: Scheme, state: str, reason: str) -> Scheme:
    """Pause, resume or close randomization for the whole trial; the reason goes to the trail."""
    with acting(actor, reason=reason):
        require(actor, SEQUENCE_MANAGE)
        locked = Scheme.objects.select_for_update().get(pk=scheme.pk)
        if state != locked.state:
            if state not in STATES[locked.state]:
                raise RandomizationPaused
            locked.state = state
            locked.save(update_fields=["state"])
        return locked
