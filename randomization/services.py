"""Installing the list, allocating, pausing. `allocate` is called by enrollment alone (an import wall)."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from randomization import admission, vault
from randomization.errors import (
    BadList,
    CapReached,
    KeyReused,
    ListDamaged,
    NoList,
    RandomizationPaused,
    StrataChanged,
)
from randomization.models import Allocation, Scheme, SealedEntry, Stratum
from randomization.rules import ledger, sealing
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import RANDOMIZE, SEQUENCE_MANAGE
from trialsite.staff.models import User

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


def stratum_key(strata: Mapping[str, str]) -> str:
    """The name of a stratum: `factor=level` pairs in the order of the factors' names, `;` between."""
    return ";".join(f"{factor}={level}" for factor, level in sorted(strata.items()))


def strata_hash(strata: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the frozen stratification values."""
    return hashlib.sha256(stratum_key(strata).encode()).hexdigest()


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
            made = _write(actor, scheme, stratum, participant, frozen, eligibility_hash, idempotency_key)
    except IntegrityError as error:
        # Under the lock only a key of another hospital, whose rows this actor cannot see, comes so far.
        if "idempotency_key" in str(error):
            raise KeyReused from error
        raise
    return _outcome(made, replayed=False)


def _require_open(scheme: Scheme, site: Site, strata: Mapping[str, str]) -> Stratum:
    if scheme.state != Scheme.State.ACTIVE:
        raise RandomizationPaused
    stratum = Stratum.objects.filter(scheme=scheme, key=stratum_key(strata)).first()
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
    arm, r, path = open_entry(scheme, stratum, index)
    now = clock.now()
    row = ledger.Row(
        position=scheme.position + 1,
        participant=participant.code,
        stratum=stratum.key,
        index=index,
        arm=arm,
        r=r,
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
        arm=arm,
        r=r,
        path=path,
        strata_hash=frozen,
        eligibility_hash=eligibility_hash,
        idempotency_key=idempotency_key,
        position=row.position,
        allocated_at=now,
        allocated_by=actor,
        previous_hash=row.previous,
        hash=scheme.head,
    )


def open_entry(scheme: Scheme, stratum: Stratum, index: int) -> tuple[str, bytes, list[list[str]]]:
    """Open one entry: (arm, r, Merkle path). The only code that decrypts; checks the leaf against the root."""
    sealed = SealedEntry.objects.filter(stratum=stratum, kind="main")
    leaves = [bytes(leaf) for leaf in sealed.order_by("index").values_list("leaf", flat=True)]
    try:
        entry = sealed.get(index=index)
        arm_byte, r = vault.unseal(
            vault.key_from(settings.SEQUENCE_KEY),
            bytes(entry.ciphertext),
            trial=scheme.trial,
            environment=scheme.environment,
            stratum=stratum.key,
            index=index,
            kind="main",
        )
        arm = str(scheme.arms[arm_byte])
    except (SealedEntry.DoesNotExist, vault.CannotOpen, IndexError) as error:
        raise ListDamaged from error
    path = sealing.path(leaves, index - 1)
    own = sealing.leaf(stratum.key, index, arm, r)
    if not hmac.compare_digest(own, bytes(entry.leaf)) or not sealing.proves(
        own, path, bytes.fromhex(stratum.root)
    ):
        raise ListDamaged
    return arm, r, [[side, sibling.hex()] for side, sibling in path]


def _outcome(allocation: Allocation, *, replayed: bool) -> Outcome:
    return Outcome(
        arm=allocation.arm,
        position=allocation.position,
        stratum=allocation.stratum.key,
        allocated_at=allocation.allocated_at,
        ledger_head=allocation.hash,
        replayed=replayed,
    )


def install_list(*, actor: User, document: Mapping[str, Any], total_cap: int) -> Scheme:
    """Store a sealed list, once for ever. `document` is what `generate_list` wrote.

    Refuses what `admission.unfit` names, and a second list.
    """
    with acting(actor):
        require(actor, SEQUENCE_MANAGE)
        why = admission.unfit(document, ProtocolVersion.objects.current(), total_cap)
        if why:
            raise BadList(why=why)
        sites = {f"site={site.code}": site for site in Site.objects.all()}
        if Scheme.objects.exists():
            raise BadList(why="a list is installed already")
        roots = {part["stratum"]: part["root"] for part in document["strata"]}
        scheme = Scheme.objects.create(
            trial=document["trial"],
            environment=document["environment"],
            specification_hash=document["specification_hash"],
            commitments=document["commitments"],
            arms=document["arms"],
            total_cap=total_cap,
            head=ledger.genesis(
                document["trial"], document["environment"], document["specification_hash"], roots
            ),
        )
        for part in document["strata"]:
            _install_stratum(scheme, sites[part["stratum"]], part)
        return scheme


def _install_stratum(scheme: Scheme, site: Site, part: Mapping[str, Any]) -> None:
    stratum = Stratum.objects.create(
        scheme=scheme, site=site, key=part["stratum"], length=len(part["entries"]), root=part["root"]
    )
    SealedEntry.objects.bulk_create(
        SealedEntry(
            stratum=stratum,
            index=entry["index"],
            ciphertext=bytes.fromhex(entry["ciphertext"]),
            leaf=bytes.fromhex(entry["leaf"]),
        )
        for entry in part["entries"]
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
