"""Checking what is stored: the chain, the gaps, every arm and every sealed entry against the published roots."""

import datetime as dt
from collections.abc import Sequence

from randomization.models import Allocation, Scheme, SealedEntry, Stratum
from randomization.rules import ledger, sealing
from trialsite.audit.context import acting
from trialsite.staff.access import require
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User


def verify(*, actor: User) -> list[str]:
    """Everything that does not hold in the stored ledger and list, one sentence each. Empty when all is well."""
    found: list[str] = []
    with acting(actor):
        require(actor, SEQUENCE_MANAGE)
        for scheme in Scheme.objects.all():
            strata = list(Stratum.objects.filter(scheme=scheme))
            found += _chain(scheme, strata)
            for stratum in strata:
                found += _stratum(stratum)
    return found


def _chain(scheme: Scheme, strata: Sequence[Stratum]) -> list[str]:
    found: list[str] = []
    rows = (
        Allocation.objects.filter(stratum__scheme=scheme)
        .select_related("participant", "stratum", "allocated_by")
        .order_by("position")
    )
    roots = {stratum.key: stratum.root for stratum in strata}
    head = ledger.genesis(scheme.trial, scheme.environment, scheme.specification_hash, roots)
    for place, row in enumerate(rows, start=1):
        if row.position != place:
            found.append(f"position {place} is missing or out of order")
        if row.previous_hash != head:
            found.append(f"position {row.position}: does not follow the row before")
        if _row_of(row).hash() != row.hash:
            found.append(f"position {row.position}: its content does not fit its hash")
        if not _proved(row):
            found.append(f"position {row.position}: the arm is not the one of the published list")
        if not row.site_id == row.stratum.site_id == row.participant.site_id:
            found.append(
                f"position {row.position}: its hospital is not the one of its stratum and participant"
            )
        head = row.hash
    if len(rows) != scheme.position:
        found.append(f"the ledger ends at {len(rows)}, the scheme says {scheme.position}")
    if head != scheme.head:
        found.append("the head of the scheme is not the head of the ledger")
    return found


def _stratum(stratum: Stratum) -> list[str]:
    found: list[str] = []
    used = list(Allocation.objects.filter(stratum=stratum).order_by("index").values_list("index", flat=True))
    if used != list(range(1, stratum.next_index)):
        found.append(f"{stratum.key}: entries used {used}, next is {stratum.next_index}")
    sealed = SealedEntry.objects.filter(stratum=stratum, kind="main").order_by("index")
    indices, leaves = [], []
    for index, leaf in sealed.values_list("index", "leaf"):
        indices.append(index)
        leaves.append(bytes(leaf))
    if (
        indices != list(range(1, stratum.length + 1))
        or not leaves
        or sealing.root(leaves).hex() != stratum.root
    ):
        found.append(f"{stratum.key}: the sealed entries do not fit the root")
    return found


def _proved(row: Allocation) -> bool:
    leaf = sealing.leaf(row.stratum.key, row.index, row.arm, bytes(row.r))
    try:
        proof = [(side, bytes.fromhex(sibling)) for side, sibling in row.path]
    except (TypeError, ValueError):
        return False
    return sealing.proves(leaf, proof, bytes.fromhex(row.stratum.root))


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
