"""The statistician's specification: kept outside of the protocol folder, frozen by its hash before the list is made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from randomization.rules import procedures, sealing
from randomization.rules.drbg import HmacDrbg

METHODS: Final = ("permuted_blocks", "big_stick", "complete")
GENERATOR: Final = "1"
_KEYS: Final = {"trial", "environment", "method", "block_sizes", "bound", "arms", "strata", "length"}


class BadSpecification(ValueError):
    """The specification has mistakes; `problems` lists all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Specification:
    """Trial, environment, method with its bounds, the two arms in the order A, B, strata, entries per stratum."""

    trial: str
    environment: str
    method: str
    block_sizes: tuple[int, ...]
    bound: int
    arms: tuple[str, str]
    strata: tuple[str, ...]
    length: int

    def document(self) -> dict[str, Any]:
        """As JSON; with the generator's version, which belongs to what is frozen."""
        return {
            "generator": GENERATOR,
            "trial": self.trial,
            "environment": self.environment,
            "method": self.method,
            "block_sizes": list(self.block_sizes),
            "bound": self.bound,
            "arms": list(self.arms),
            "strata": list(self.strata),
            "length": self.length,
        }

    def hash(self) -> bytes:
        """SHA-256 of the document as JSON with sorted keys, no blanks, UTF-8."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).digest()

    def warnings(self) -> list[str]:
        """What is allowed but unwise."""
        if self.method == "permuted_blocks" and len(self.block_sizes) == 1:
            return [
                "A single block size lets the last allocations of a block be guessed in an unmasked trial."
            ]
        return []

    def arms_of(self, seed: bytes, stratum: str) -> list[str]:
        """The list of one stratum: as many arm codes as `length`."""
        source = HmacDrbg(seed, b"", sealing.personalization(self.trial, self.environment, stratum))
        if self.method == "permuted_blocks":
            drawn = procedures.permuted_blocks(source, self.block_sizes, self.length)
        elif self.method == "big_stick":
            drawn = procedures.big_stick(source, self.bound, self.length)
        else:
            drawn = procedures.complete(source, self.length)
        return [self.arms[arm] for arm in drawn]


def read(document: Any) -> Specification:
    """A specification from its file; raises BadSpecification with every mistake at once."""
    if not isinstance(document, Mapping):
        raise BadSpecification(["The file must hold names and values: trial, environment, method and so on"])
    problems = [f"“{name}” is not known here" for name in sorted(str(key) for key in set(document) - _KEYS)]
    method = document.get("method")
    if method == "minimisation":
        problems.append("method: minimisation is not built yet; use permuted_blocks, big_stick or complete")
    elif method not in METHODS:
        problems.append(f"method: {method!r} found; expected one of {', '.join(METHODS)}")
    problems += _texts(document)
    problems += _numbers(document, str(method))
    if problems:
        raise BadSpecification(problems)
    return Specification(
        trial=document["trial"],
        environment=document["environment"],
        method=str(method),
        block_sizes=tuple(document.get("block_sizes", ())),
        bound=document.get("bound", 0),
        arms=(document["arms"][0], document["arms"][1]),
        strata=tuple(document["strata"]),
        length=document["length"],
    )


def _texts(document: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{name}: a name is needed" for name in ("trial", "environment") if not _name(document.get(name))
    ]
    for name, least, most in (("arms", 2, 2), ("strata", 1, 1000)):
        values = document.get(name)
        if (
            not isinstance(values, list)
            or not least <= len(values) <= most
            or not all(_name(value) for value in values)
            or len(set(values)) != len(values)
        ):
            problems.append(
                f"{name}: a list of {least if least == most else 'one or more'} different names is needed"
            )
    return problems


def _name(value: Any) -> bool:
    """Printable text: a control character could make two lists' personalization strings the same."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _numbers(document: Mapping[str, Any], method: str) -> list[str]:
    problems = []
    if not _whole(document.get("length"), 1, 100_000):
        problems.append("length: a whole number from 1 to 100000 is needed")
    if method in METHODS:
        unused = {"block_sizes": "permuted_blocks", "bound": "big_stick"}
        problems += [
            f"{name}: only {owner} has it"
            for name, owner in unused.items()
            if name in document and method != owner
        ]
    if method == "big_stick" and not _whole(document.get("bound"), 1, 50):
        problems.append("bound: a whole number from 1 to 50 is needed")
    if method == "permuted_blocks":
        sizes = document.get("block_sizes")
        if (
            not isinstance(sizes, list)
            or not sizes
            or not all(_whole(size, 2, 100) and size % 2 == 0 for size in sizes)
        ):
            problems.append("block_sizes: a list of even numbers is needed")
        elif 2 in sizes:
            problems.append("block_sizes: a block of 2 gives every second allocation away")
        elif len(set(sizes)) != len(sizes):
            problems.append("block_sizes: a size stands twice")
    return problems
