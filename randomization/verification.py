"""Checking what is stored: the chain, the gaps, every arm and every sealed entry against the published roots.

And the heads that others hold: witness and mails.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from randomization import opening, overview, witness
from randomization.errors import ListDamaged
from randomization.models import Allocation, Scheme, SealedEntry, Stratum, VoidEnvelope
from randomization.rules import factors, ledger, sealing
from trialsite.audit.context import acting
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant, Transfer
from trialsite.staff.access import require
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User


def verify(*, actor: User, heads: Iterable[tuple[int, str]] = ()) -> list[str]:
    """Everything that does not hold in the stored ledger and list, one sentence each. Empty when all is well.

    `heads` are (position, head) from somebody's mailbox: with the database alone its own messages could have been
    written anew together with the ledger.
    """
    found: list[str] = []
    with acting(actor):
        require(actor, SEQUENCE_MANAGE)
        for scheme in Scheme.objects.all():
            strata = list(Stratum.objects.filter(scheme=scheme))
            found += _chain(scheme, strata)
            drawn = _is_drawn(scheme)
            if drawn is None:
                found.append("the specification does not open under SEQUENCE_KEY to its published hash")
            for stratum in strata:
                found += _stratum(scheme, stratum, drawn=bool(drawn))
            found += _heads(scheme, heads)
    return found


def _is_drawn(scheme: Scheme) -> bool | None:
    """Whether the list commits draws; None where the specification does not open."""
    try:
        return bool(json.loads(opening.specification_text(scheme))["method"] == "minimisation")
    except ListDamaged:
        return None


def _heads(scheme: Scheme, mailed: Iterable[tuple[int, str]]) -> list[str]:
    """Heads that were told to others and are not the ledger's: mails that were put, the witness, and those given."""
    kept = {0: overview.genesis(scheme, scheme.strata.all())} | dict(
        Allocation.objects.filter(stratum__scheme=scheme).values_list("position", "hash")
    )
    put = Message.objects.filter(kind="allocation").values_list("payload__position", "payload__head")
    seen = witness.heads(scheme.trial, scheme.environment)
    told = {
        "a mail that was put": set(put.order_by()),
        "the witness": {(one.position, one.head) for one in seen if one.position},
        "a head that was given": set(mailed),
    }
    return [
        f"position {position}: {source} says another head"
        for source, pairs in told.items()
        for position, head in sorted(pairs)
        if kept.get(position) != head
    ]


def _chain(scheme: Scheme, strata: Sequence[Stratum]) -> list[str]:
    found: list[str] = []
    rows = (
        Allocation.objects.filter(stratum__scheme=scheme)
        .select_related("participant", "stratum", "allocated_by")
        .order_by("position")
    )
    head = overview.genesis(scheme, strata)
    proof = _Proof(scheme)
    moved: defaultdict[int, list[Transfer]] = defaultdict(list)
    for transfer in Transfer.objects.order_by("-id"):
        moved[transfer.participant_id].append(transfer)
    for place, row in enumerate(rows, start=1):
        if row.position != place:
            found.append(f"position {place} is missing or out of order")
        if row.previous_hash != head:
            found.append(f"position {row.position}: does not follow the row before")
        if row_of(row).hash() != row.hash:
            found.append(f"position {row.position}: its content does not fit its hash")
        if not _same_strata(row):
            found.append(f"position {row.position}: its stratification values are not those of its stratum")
        if not proof.holds(row):
            found.append(f"position {row.position}: the arm is not the one of the published list")
        if row.site_id != row.stratum.site_id:
            found.append(f"position {row.position}: its hospital is not the one of its stratum")
        if row.site_id not in _hospitals(row.participant, moved[row.participant_id]):
            found.append(f"position {row.position}: the participant was never at its hospital")
        head = row.hash
    if len(rows) != scheme.position:
        found.append(f"the ledger ends at {len(rows)}, the scheme says {scheme.position}")
    if head != scheme.head:
        found.append("the head of the scheme is not the head of the ledger")
    return found


def _hospitals(participant: Participant, transfers: Iterable[Transfer]) -> set[int]:
    """Where the participant is and was: back along the transfers, newest first, as far as each joins the next."""
    at = participant.site_id
    known = {at}
    for transfer in transfers:
        if transfer.to_site_id != at:
            break
        at = transfer.from_site_id
        known.add(at)
    return known


def _stratum(scheme: Scheme, stratum: Stratum, *, drawn: bool) -> list[str]:
    found: list[str] = []
    for kind, length, following, root in (
        ("main", stratum.length, stratum.next_index, stratum.root),
        ("emergency", stratum.emergency_length, stratum.next_emergency, stratum.emergency_root),
    ):
        allocations = Allocation.objects.filter(stratum=stratum, kind=kind)
        used = list(allocations.values_list("index", flat=True))
        if kind == "emergency":
            voids = list(VoidEnvelope.objects.filter(stratum=stratum).values_list("index", flat=True))
            if len(voids) != stratum.voided:
                found.append(
                    f"{stratum.key}: {len(voids)} envelopes are void, the stratum says {stratum.voided}"
                )
            used += voids
        used.sort()
        if used != list(range(1, following)):
            found.append(f"{stratum.key}, {kind}: entries used {used}, next is {following}")
        sealed = SealedEntry.objects.filter(stratum=stratum, kind=kind).order_by("index")
        entries = list(sealed)
        leaves = [bytes(entry.leaf) for entry in entries]
        if [entry.index for entry in entries] != list(range(1, length + 1)) or (
            sealing.root(leaves).hex() if leaves else ""
        ) != root:
            found.append(f"{stratum.key}, {kind}: the sealed entries do not fit the root")
        found += [
            f"{stratum.key}, {kind}: entry {entry.index} could not be opened when it is its turn"
            for entry in entries
            if not _can_be_used(scheme, stratum, entry, root, drawn=drawn)
        ]
    return found


def _can_be_used(scheme: Scheme, stratum: Stratum, entry: SealedEntry, root: str, *, drawn: bool) -> bool:
    """Whether the entry opens to what its leaf binds, and its path leads to the root. What it holds is forgotten."""
    place = opening.Place(scheme.trial, scheme.environment, stratum.key, entry.index, entry.kind)
    leaf = bytes(entry.leaf)
    try:
        path = [(side, bytes.fromhex(sibling)) for side, sibling in entry.path]
        proven = sealing.proves(leaf, path, bytes.fromhex(root))
    except (TypeError, ValueError):
        return False
    return proven and opening.can_open(bytes(entry.ciphertext), place, scheme.arms, leaf=leaf, drawn=drawn)


class _Proof:
    """Whether each arm is the one of the published list; holds the earlier allocations where arms are drawn."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._earlier: list[tuple[dict[str, str], str]] = []

    def holds(self, row: Allocation) -> bool:
        """Rows must come by position."""
        root = row.stratum.root if row.kind == "main" else row.stratum.emergency_root
        earlier, self._earlier = self._earlier, [*self._earlier, (row.strata, row.arm)]
        try:
            proof = [(side, bytes.fromhex(sibling)) for side, sibling in row.path]
            wanted = bytes.fromhex(root)
        except (TypeError, ValueError):
            return False
        if sealing.proves(self._leaf(row, row.arm), proof, wanted):
            return True
        if row.kind != "main" or not sealing.proves(self._leaf(row, ""), proof, wanted):
            return False
        try:
            return opening.arm_of_draw(self._scheme, bytes(row.r), row.strata, earlier) == row.arm
        except (ListDamaged, KeyError, ValueError):
            return False

    @staticmethod
    def _leaf(row: Allocation, arm: str) -> bytes:
        return sealing.leaf(row.stratum.key, row.index, arm, bytes(row.r))


def _same_strata(row: Allocation) -> bool:
    """Whether the frozen values are those that were hashed and those of the stratum."""
    return isinstance(row.strata, dict) and (
        factors.key(row.strata) == row.stratum.key and sealing.text_hash(row.stratum.key) == row.strata_hash
    )


def row_of(row: Allocation) -> ledger.Row:
    """The row as it is hashed; its participant, stratum and user come along in one query."""
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
        kind=row.kind,
    )
