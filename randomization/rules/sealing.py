"""Commitments, leaves, Merkle tree: how a list is bound before the first enrolment (docs/randomization-format.md)."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final


def field(value: bytes | str | int) -> bytes:
    """A field with its length before it: big-endian u32, then the bytes; integers are u32 themselves."""
    if isinstance(value, int):
        value = value.to_bytes(4, "big")
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def fields(*values: bytes | str | int) -> bytes:
    """Several fields, one after another: no two different sequences give the same bytes."""
    return b"".join(field(value) for value in values)


def commitment(trial: str, role: str, secret: bytes) -> str:
    """What a party publishes before the list is made: SHA-256 over label, trial, role and the 32-byte secret, hex."""
    return hashlib.sha256(fields("TRIALSITE-COMMIT-1", trial, role, secret)).hexdigest()


def text_hash(text: str) -> str:
    """SHA-256 of a text in UTF-8, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def seed(first: bytes, second: bytes, third: bytes, public: bytes, specification_hash: bytes) -> bytes:
    """HMAC-SHA256 keyed with the statistician's secret over the other secrets, the public value, the specification."""
    return hmac.new(first, fields(second, third, public, specification_hash), hashlib.sha256).digest()


# The kinds of entries. Each has labels of its own: an envelope that was opened tells nothing of the main list.
MAIN: Final = "main"
EMERGENCY: Final = "emergency"
_GENERATOR_LABEL: Final = {MAIN: "EDCLITE-RAND-1", EMERGENCY: "EDCLITE-EMERGENCY-1"}
_SALT_LABEL: Final = {MAIN: "TRIALSITE-LEAF-1", EMERGENCY: "TRIALSITE-EMERGENCY-1"}


def personalization(trial: str, environment: str, stratum: str, kind: str = MAIN) -> bytes:
    """Sets the generator of each trial, environment, stratum and kind apart, so that no two lists are alike."""
    return "\x1f".join((_GENERATOR_LABEL[kind], trial, environment, stratum)).encode()


def salt(seed_value: bytes, stratum: str, index: int, kind: str = MAIN) -> bytes:
    """The 32 secret bytes that hide an entry's arm in its leaf."""
    return hmac.new(seed_value, fields(_SALT_LABEL[kind], stratum, index), hashlib.sha256).digest()


def check_code(r: bytes) -> str:
    """What stands on an envelope's paper beside the arm, so that nobody enters one unseen: 10 hex digits of r."""
    return r.hex()[:10]


def has_check_code(r: bytes, told: str) -> bool:
    """Whether `told`, as it was read from paper, is the check code; in the same time whatever is wrong."""
    return hmac.compare_digest(check_code(r).encode(), told.strip().lower().encode())


def leaf(stratum: str, index: int, arm: str, r: bytes) -> bytes:
    """The hash that binds entry `index` (from 1) of a stratum to its arm without showing it.

    An entry that commits a draw instead of an arm has an empty `arm`, and the draw as its `r`.
    """
    return hashlib.sha256(b"\x00" + fields(stratum, index, arm, r)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _level_up(level: Sequence[bytes]) -> list[bytes]:
    pairs = [_node(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    return pairs + ([level[-1]] if len(level) % 2 else [])


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle root; an odd node is promoted unchanged."""
    level = list(leaves)
    if not level:
        raise ValueError("a list without entries has no root")
    while len(level) > 1:
        level = _level_up(level)
    return level[0]


def path(leaves: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    """The proof of the leaf at `place` (from 0): ("L" or "R", sibling) from the bottom up."""
    level, proof = list(leaves), []
    while len(level) > 1:
        sibling = place ^ 1
        if sibling < len(level):
            proof.append(("L" if sibling < place else "R", level[sibling]))
        level, place = _level_up(level), place // 2
    return proof


def proves(leaf_value: bytes, proof: Sequence[tuple[str, bytes]], wanted: bytes) -> bool:
    """Whether `proof` leads from the leaf to the root `wanted`."""
    node = leaf_value
    for side, sibling in proof:
        node = _node(sibling, node) if side == "L" else _node(node, sibling)
    return hmac.compare_digest(node, wanted)


def paths(leaves: Sequence[bytes]) -> list[list[tuple[str, bytes]]]:
    """`path` of every leaf, with each node hashed once."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        levels.append(_level_up(levels[-1]))
    proofs: list[list[tuple[str, bytes]]] = []
    for start in range(len(leaves)):
        proof, place = [], start
        for level in levels[:-1]:
            sibling = place ^ 1
            if sibling < len(level):
                proof.append(("L" if sibling < place else "R", level[sibling]))
            place //= 2
        proofs.append(proof)
    return proofs
