"""The format of docs/randomization-format.md written a second time, from the document, with the standard library alone.

Nothing here may be imported from the project: it is what an independent statistician would write.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

LABEL_SEPARATOR = b"\x1f"


def u32(number: int) -> bytes:
    return bytes(((number >> 24) & 255, (number >> 16) & 255, (number >> 8) & 255, number & 255))


def packed(*parts: bytes) -> bytes:
    return b"".join(u32(len(part)) + part for part in parts)


def commitment(trial: str, role: str, secret: bytes) -> str:
    return hashlib.sha256(packed(b"TRIALSITE-COMMIT-1", trial.encode(), role.encode(), secret)).hexdigest()


def specification_hash(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).digest()


def frozen(specification: Mapping[str, Any]) -> dict[str, Any]:
    """What is hashed of a specification that names its hospitals and no other factor."""
    filled = {
        "generator": "1",
        "block_sizes": [],
        "bound": 0,
        "probability": 0,
        "weights": {},
        "ratio": [1, 1],
    }
    filled |= {"factors": [], "emergency": 0, "strata": [f"site={site}" for site in specification["sites"]]}
    return filled | {name: value for name, value in specification.items() if name != "sites"}


def seed(secrets: Sequence[bytes], spec_hash: bytes) -> bytes:
    first, second, third = [*secrets, b"", b""][:3]
    return hmac.digest(first, packed(second, third, b"", spec_hash), "sha256")


def salt(seed_value: bytes, stratum: str, index: int) -> bytes:
    return hmac.digest(seed_value, packed(b"TRIALSITE-LEAF-1", stratum.encode(), u32(index)), "sha256")


def leaf(stratum: str, index: int, arm: str, r: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + packed(stratum.encode(), u32(index), arm.encode(), r)).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Top down, where the code goes bottom up: the left part is the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    both = merkle_root(leaves[:split]) + merkle_root(leaves[split:])
    return hashlib.sha256(b"\x01" + both).digest()


def random_bytes(entropy: bytes, personalization: bytes) -> Iterator[int]:
    """HMAC_DRBG-SHA256 of SP 800-90A, an empty nonce, 32 bytes for each generate call."""
    key, value = bytes(32), b"\x01" * 32

    def update(data: bytes) -> None:
        nonlocal key, value
        for mark in (b"\x00", b"\x01") if data else (b"\x00",):
            key = hmac.digest(key, value + mark + data, "sha256")
            value = hmac.digest(key, value, "sha256")

    update(entropy + personalization)
    while True:
        value = hmac.digest(key, value, "sha256")
        yield from value
        update(b"")


def below(source: Iterator[int], n: int) -> int:
    return next(byte for byte in source if byte < 256 // n * n) % n


def drawn_arms(specification: Mapping[str, Any], seed_value: bytes, stratum: str) -> list[str]:
    """The list of one stratum, by any of the three methods."""
    names = ("EDCLITE-RAND-1", specification["trial"], specification["environment"], stratum)
    source = random_bytes(seed_value, LABEL_SEPARATOR.join(name.encode() for name in names))
    length, arms = specification["length"], specification["arms"]
    drawn: list[int] = []
    while len(drawn) < length:
        if specification["method"] == "permuted_blocks":
            sizes = specification["block_sizes"]
            half = sizes[below(source, len(sizes))] // 2
            block = [0] * half + [1] * half
            for top in reversed(range(1, 2 * half)):
                other = below(source, top + 1)
                block[top], block[other] = block[other], block[top]
            drawn += block
        else:
            difference = drawn.count(0) - drawn.count(1)
            if specification["method"] == "big_stick" and abs(difference) == specification["bound"]:
                drawn.append(int(difference > 0))
            else:
                drawn.append(below(source, 2))
    return [arms[arm] for arm in drawn[:length]]


def draws(trial: str, environment: str, seed_value: bytes, stratum: str, count: int) -> list[bytes]:
    """What minimisation commits: 32 bytes for each position of the stratum."""
    place = LABEL_SEPARATOR.join(name.encode() for name in ("EDCLITE-RAND-1", trial, environment, stratum))
    source = random_bytes(seed_value, place)
    return [bytes(next(source) for _ in range(32)) for _ in range(count)]


def chance_of_first(
    newcomer: Mapping[str, str],
    earlier: Sequence[tuple[Mapping[str, str], int]],
    weights: Mapping[str, int],
    probability: int,
    ratio: Sequence[int],
) -> Fraction:
    """The chance of the first arm, as the document describes it."""
    left = []
    for arm in (0, 1):
        seats = [*earlier, (newcomer, arm)]
        left.append(
            sum(
                weight
                * abs(
                    sum(
                        (ratio[1], -ratio[0])[given]
                        for levels, given in seats
                        if levels[factor] == newcomer[factor]
                    )
                )
                for factor, weight in weights.items()
            )
        )
    if left[0] == left[1]:
        return Fraction(ratio[0], sum(ratio))
    preferred = int(left[1] < left[0])
    coin = Fraction(1000 - probability, 1000)
    if ratio[preferred] > ratio[1 - preferred]:
        coin = coin * ratio[1 - preferred] / ratio[preferred]
    return coin if preferred else 1 - coin


def arm_of(draw: bytes, chance: Fraction) -> int:
    return int(Fraction(int(draw.hex(), 16), 2**256) >= chance)


def genesis(
    trial: str,
    environment: str,
    spec_hash: str,
    roots: Mapping[str, str],
    envelopes: Mapping[str, str] | None = None,
) -> str:
    parts = [trial, environment, spec_hash]
    for stratum in sorted(roots):
        parts += [stratum, roots[stratum], (envelopes or {}).get(stratum, "")]
    return hashlib.sha256(packed(b"TRIALSITE-GENESIS-1", *(part.encode() for part in parts))).hexdigest()


def ledger_hash(row: Mapping[str, Any]) -> str:
    """The hash of one row of the ledger; numbers as u32, `r` as bytes, all else as text."""
    order = ["position", "participant", "stratum", "index", "arm", "r"]
    order += ["strata_hash", "eligibility_hash", "user", "at", "previous", "kind"]
    values = [row[name] for name in order]
    as_bytes = [
        u32(value) if isinstance(value, int) else value if isinstance(value, bytes) else value.encode()
        for value in values
    ]
    return hashlib.sha256(packed(b"TRIALSITE-LEDGER-1", *as_bytes)).hexdigest()
