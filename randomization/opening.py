"""The one place where sealed entries are opened, one at a time; and where a drawn entry becomes an arm."""

import hmac
import json
from collections.abc import Iterable, Mapping
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
    """(arm byte, r, Merkle path): the only code that decrypts an entry; checks its leaf against the root.

    The path was computed when the list was installed, so that the cost does not grow with the list; a changed path or
    leaf leads to another root.
    """
    try:
        entry = SealedEntry.objects.get(stratum=stratum, kind=kind, index=index)
        arm_byte, r = vault.unseal(
            vault.key_from(settings.SEQUENCE_KEY),
            bytes(entry.ciphertext),
            trial=scheme.trial,
            environment=scheme.environment,
            stratum=stratum.key,
            index=index,
            kind=kind,
        )
        arm = "" if arm_byte == vault.DRAW and kind == sealing.MAIN else str(scheme.arms[arm_byte])
        path = [(side, bytes.fromhex(sibling)) for side, sibling in entry.path]
    except (SealedEntry.DoesNotExist, vault.CannotOpen, IndexError, TypeError, ValueError) as error:
        raise ListDamaged from error
    own = sealing.leaf(stratum.key, index, arm, r)
    root = stratum.root if kind == sealing.MAIN else stratum.emergency_root
    if not hmac.compare_digest(own, bytes(entry.leaf)) or not sealing.proves(own, path, bytes.fromhex(root)):
        raise ListDamaged
    return arm_byte, r, entry.path


def specification_text(scheme: Scheme) -> str:
    """The specification as it was hashed, opened and held against its published hash. Raises ListDamaged."""
    try:
        text = vault.unseal_rule(
            vault.key_from(settings.SEQUENCE_KEY),
            bytes(scheme.rule),
            trial=scheme.trial,
            environment=scheme.environment,
        )
    except vault.CannotOpen as error:
        raise ListDamaged from error
    if sealing.text_hash(text) != scheme.specification_hash:
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
