"""Installing the list, allocating, pausing. `allocate` is called by enrollment alone (an import wall)."""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import connection

from randomization import vault
from randomization.errors import (
    BadList,
    CapReached,
    KeyReused,
    ListDamaged,
    NoList,
    RandomizationPaused,
    StrataChanged,
)
from randomization.generation import FORMAT, demo_commitment
from randomization.models import Allocation, Scheme, SealedEntry, Stratum
from randomization.rules import ledger, sealing
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
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
    return _outcome(
        _write(actor, scheme, stratum, participant, frozen, eligibility_hash, idempotency_key), replayed=False
    )


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
    entries = list(
        SealedEntry.objects.filter(stratum=stratum, kind="main")
        .order_by("index")
        .values_list("leaf", flat=True)
    )
    entry = SealedEntry.objects.get(stratum=stratum, kind="main", index=index)
    try:
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
    except (vault.CannotOpen, IndexError) as error:
        raise ListDamaged from error
    leaves = [bytes(leaf) for leaf in entries]
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

    Refuses another format or environment, a demo list in production, unknown hospitals, and a second list.
    """
    require(actor, SEQUENCE_MANAGE)
    sites = {f"site={site.code}": site for site in Site.objects.all()}
    why = _unfit(document, sites, total_cap)
    if why:
        raise BadList(why=why)
    with acting(actor):
        if Scheme.objects.filter(trial=document["trial"]).exists():
            raise BadList(why="a list is installed already")
        scheme = Scheme.objects.create(
            trial=document["trial"],
            environment=document["environment"],
            specification_hash=document["specification_hash"],
            commitments=document["commitments"],
            arms=document["arms"],
            total_cap=total_cap,
            head=_genesis(document),
        )
        for part in document["strata"]:
            _install_stratum(scheme, sites[part["stratum"].split(";")[0]], part)
        return scheme


def _unfit(document: Mapping[str, Any], sites: Mapping[str, Site], total_cap: int) -> str:
    if document.get("format") != FORMAT:
        return f"its format is not {FORMAT}"
    if document["environment"] != settings.TRIALSITE_ENV:
        return f"it was made for the environment {document['environment']}"
    if (
        settings.TRIALSITE_ENV == "prod"
        and demo_commitment(document["trial"]) in document["commitments"].values()
    ):
        return "it is made of the demo's secret"
    for part in document["strata"]:
        if part["stratum"].split(";")[0] not in sites:
            return f"there is no hospital for {part['stratum']}"
        if len(part["entries"]) < total_cap:
            return f"{part['stratum']} holds fewer entries than the total cap of {total_cap}"
        leaves = [bytes.fromhex(entry["leaf"]) for entry in part["entries"]]
        if [entry["index"] for entry in part["entries"]] != list(range(1, len(leaves) + 1)):
            return f"the entries of {part['stratum']} are not numbered from 1 without gaps"
        if sealing.root(leaves).hex() != part["root"]:
            return f"the entries of {part['stratum']} do not fit its root"
    return ""


def _genesis(document: Mapping[str, Any]) -> str:
    """The head of an empty ledger: binds the chain to this list by trial, environment, specification and roots."""
    roots = [part["root"] for part in document["strata"]]
    text = json.dumps([document["trial"], document["environment"], document["specification_hash"], *roots])
    return hashlib.sha256(text.encode()).hexdigest()


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


def verify(*, actor: User) -> list[str]:
    """Everything that does not hold in the stored ledger: chain, positions, gaps, proofs. Empty when all is well."""
    require(actor, SEQUENCE_MANAGE)
    found: list[str] = []
    with acting(actor):
        for scheme in Scheme.objects.all():
            found += _verify_chain(scheme)
            for stratum in Stratum.objects.filter(scheme=scheme):
                used = sorted(Allocation.objects.filter(stratum=stratum).values_list("index", flat=True))
                if used != list(range(1, stratum.next_index)):
                    found.append(f"{stratum.key}: entries used {used}, next is {stratum.next_index}")
    return found


def _verify_chain(scheme: Scheme) -> list[str]:
    found: list[str] = []
    rows = (
        Allocation.objects.filter(stratum__scheme=scheme)
        .select_related("participant", "stratum", "allocated_by")
        .order_by("position")
    )
    head = ""
    for place, row in enumerate(rows, start=1):
        if row.position != place:
            found.append(f"position {place} is missing or out of order")
        if head and row.previous_hash != head:
            found.append(f"position {row.position}: does not follow the row before")
        if _row_of(row).hash() != row.hash:
            found.append(f"position {row.position}: its content does not fit its hash")
        leaf = sealing.leaf(row.stratum.key, row.index, row.arm, bytes(row.r))
        proof = [(side, bytes.fromhex(sibling)) for side, sibling in row.path]
        if not sealing.proves(leaf, proof, bytes.fromhex(row.stratum.root)):
            found.append(f"position {row.position}: the arm is not the one of the published list")
        head = row.hash
    if len(rows) != scheme.position or (head and head != scheme.head):
        found.append(f"the ledger ends at {len(rows)}, the scheme says {scheme.position}")
    return found


def _row_of(row: Allocation) -> ledger.Row:
    return ledger.Row(
        position=row.position,
        participant=row.participant.code,
        stratum=row.stratum.key,
        index=row.index,
        arm=row.arm,
        r=bytes(row.r),
        strata_hash=row.strata_hash,
        eligibility_hash=row.eligibility_hash,
        user=row.allocated_by.username,
        at=row.allocated_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        previous=row.previous_hash,
    )
