"""The one place where sealed entries are opened, one at a time; and where a drawn entry becomes an arm."""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from randomization import vault
from randomization.errors import ListDamaged
from randomization.models import Allocation, Scheme, SealedEntry, Stratum
from randomization.rules import minimisation, sealing
from randomization.rules.specification import Specification
from trialsite.audit.context import acting
from trialsite.staff.models import system_actor


@dataclass(frozen=True)
class Opened:
    """An entry with its arm, the 32 bytes that hid it (or that it was drawn from), and its Merkle path."""

    arm: str
    r: bytes
    path: list[list[str]]


def open_next(scheme: Scheme, stratum: Stratum, index: int, strata: Mapping[str, str]) -> Opened:
    """Entry `index` of the stratum for a participant with these frozen values.

    Called under the scheme's lock, since a drawn arm depends on all earlier allocations. Raises ListDamaged.
    """
    arm_byte, r, path = _open(scheme, stratum, index, sealing.MAIN)
    if arm_byte == vault.DRAW:
        return Opened(arm_of_draw(scheme, r, strata, _earlier(scheme)), r, path)
    return Opened(str(scheme.arms[arm_byte]), r, path)


def open_envelope(scheme: Scheme, stratum: Stratum, index: int) -> Opened:
    """Envelope `index` of the stratum, which was opened on paper. Raises ListDamaged."""
    arm_byte, r, path = _open(scheme, stratum, index, sealing.EMERGENCY)
    return Opened(str(scheme.arms[arm_byte]), r, path)


def _open(scheme: Scheme, stratum: Stratum, index: int, kind: str) -> tuple[int, bytes, list[list[str]]]:
    """(arm byte, r, Merkle path) of a stored entry; checks its leaf against the root.

    The path was computed when the list was installed, so that the cost does not grow with the list; a changed path or
    leaf leads to another root.
    """
    entries = SealedEntry.objects.filter(stratum=stratum, kind=kind, index=index)
    try:
        ciphertext, leaf, stored = entries.values_list("ciphertext", "leaf", "path").get()
        path = [(side, bytes.fromhex(sibling)) for side, sibling in stored]
    except (SealedEntry.DoesNotExist, TypeError, ValueError) as error:
        raise ListDamaged from error
    place = Place(scheme.trial, scheme.environment, stratum.key, index, kind)
    arm_byte, r, own = _unsealed(bytes(ciphertext), place, scheme.arms)
    root = stratum.root if kind == sealing.MAIN else stratum.emergency_root
    if not hmac.compare_digest(own, bytes(leaf)) or not sealing.proves(own, path, bytes.fromhex(root)):
        raise ListDamaged
    return arm_byte, r, stored


@dataclass(frozen=True)
class Place:
    """Where an entry belongs; bound to its ciphertext."""

    trial: str
    environment: str
    stratum: str
    index: int
    kind: str


def _unsealed(ciphertext: bytes, place: Place, arms: Sequence[str]) -> tuple[int, bytes, bytes]:
    """(arm byte, r, leaf) of one entry: the only code that decrypts one. Raises ListDamaged."""
    try:
        arm_byte, r = vault.unseal(vault.key_from(settings.SEQUENCE_KEY), ciphertext, **vars(place))
        arm = "" if arm_byte == vault.DRAW and place.kind == sealing.MAIN else str(arms[arm_byte])
    except (vault.CannotOpen, IndexError, ValueError) as error:
        raise ListDamaged from error
    return arm_byte, r, sealing.leaf(place.stratum, place.index, arm, r)


def can_open(ciphertext: bytes, place: Place, arms: Sequence[str], *, leaf: bytes, drawn: bool) -> bool:
    """Whether an entry that is not installed yet opens under the server's key to what its leaf binds.

    `drawn` says that the design commits draws. What the entry holds is forgotten here.
    """
    try:
        arm_byte, _, own = _unsealed(ciphertext, place, arms)
    except ListDamaged:
        return False
    is_draw = arm_byte == vault.DRAW
    return hmac.compare_digest(own, leaf) and is_draw == (drawn and place.kind == sealing.MAIN)


def specification_text(scheme: Scheme) -> str:
    """The specification as it was hashed, opened and held against its published hash. Raises ListDamaged."""
    return opened_rule(
        bytes(scheme.rule),
        trial=scheme.trial,
        environment=scheme.environment,
        published=scheme.specification_hash,
    )


def opened_rule(rule: bytes, *, trial: str, environment: str, published: str) -> str:
    """The text of a sealed specification whose hash is `published`. Raises ListDamaged."""
    try:
        key = vault.key_from(settings.SEQUENCE_KEY)
        text = vault.unseal_rule(key, rule, trial=trial, environment=environment)
    except (vault.CannotOpen, ValueError) as error:
        raise ListDamaged from error
    if sealing.text_hash(text) != published:
        raise ListDamaged
    return text


def arm_of_draw(
    scheme: Scheme, draw: bytes, strata: Mapping[str, str], earlier: Iterable[tuple[Mapping[str, str], str]]
) -> str:
    """By minimisation: the draw, the newcomer's levels, and (levels, arm) of all earlier allocations."""
    rule = Specification.of(json.loads(specification_text(scheme)))
    known = [(levels, rule.arms.index(arm)) for levels, arm in earlier]
    score = minimisation.scores(strata, known, dict(rule.weights), rule.ratio)
    chance = minimisation.probability_of_first(score, rule.probability, rule.ratio)
    return rule.arms[minimisation.arm(draw, chance)]


def _earlier(scheme: Scheme) -> list[tuple[dict[str, str], str]]:
    """All allocations so far, other hospitals' included, which the actor may not see: read by the system alone."""
    with acting(system_actor("system.loader")):
        return list(Allocation.objects.filter(stratum__scheme=scheme).values_list("strata", "arm"))
