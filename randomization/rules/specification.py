"""The statistician's specification: kept outside of the protocol folder, frozen by its hash before the list is made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from randomization.rules import procedures, reading, sealing
from randomization.rules.drbg import HmacDrbg
from randomization.rules.factors import SITE, Factor, levels_of, strata
from randomization.rules.reading import METHODS

__all__ = ["GENERATOR", "METHODS", "BadSpecification", "Specification", "read", "reread"]

GENERATOR: Final = "1"


class BadSpecification(ValueError):
    """The specification has mistakes; `problems` lists all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Specification:
    """Trial, environment, method with its bounds, the two arms in the order A, B, strata, entries per stratum.

    `probability` (thousandths) and `weights` (factor, weight) belong to minimisation; `ratio` is A : B;
    `emergency` is the number of sealed envelopes per stratum.
    """

    trial: str
    environment: str
    method: str
    block_sizes: tuple[int, ...]
    bound: int
    arms: tuple[str, str]
    strata: tuple[str, ...]
    length: int
    factors: tuple[Factor, ...] = ()
    ratio: tuple[int, int] = (1, 1)
    probability: int = 0
    weights: tuple[tuple[str, int], ...] = ()
    emergency: int = 0

    def document(self) -> dict[str, Any]:
        """As JSON; with the generator's version, which belongs to what is frozen."""
        return {
            "generator": GENERATOR,
            "trial": self.trial,
            "environment": self.environment,
            "method": self.method,
            "block_sizes": list(self.block_sizes),
            "bound": self.bound,
            "probability": self.probability,
            "weights": dict(self.weights),
            "ratio": list(self.ratio),
            "arms": list(self.arms),
            "factors": [factor.document() for factor in self.factors],
            "strata": list(self.strata),
            "length": self.length,
            "emergency": self.emergency,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Specification":
        """From what `document` gave."""
        return cls(
            trial=document["trial"],
            environment=document["environment"],
            method=document["method"],
            block_sizes=tuple(document["block_sizes"]),
            bound=document["bound"],
            arms=(document["arms"][0], document["arms"][1]),
            strata=tuple(document["strata"]),
            length=document["length"],
            factors=tuple(map(Factor.of, document["factors"])),
            ratio=(document["ratio"][0], document["ratio"][1]),
            probability=document["probability"],
            weights=tuple(sorted(document["weights"].items())),
            emergency=document["emergency"],
        )

    def text(self) -> str:
        """The document as JSON with sorted keys, no blanks: the one form that is hashed."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def hash(self) -> bytes:
        """SHA-256 of `text` in UTF-8."""
        return bytes.fromhex(sealing.text_hash(self.text()))

    def warnings(self) -> list[str]:
        """What is allowed but unwise."""
        if self.method == "permuted_blocks" and len(self.block_sizes) == 1:
            return [
                "A single block size lets the last allocations of a block be guessed in an unmasked trial."
            ]
        return []

    def arms_of(self, seed: bytes, stratum: str) -> list[str]:
        """The list of one stratum: as many arm codes as `length`. Minimisation has none: see `draws_of`."""
        return self._drawn(self.method, self._source(seed, stratum, sealing.MAIN), self.length)

    def draws_of(self, seed: bytes, stratum: str) -> list[bytes]:
        """What minimisation commits for one stratum: 32 bytes for each of its positions."""
        return procedures.draws(self._source(seed, stratum, sealing.MAIN), self.length)

    def emergency_arms_of(self, seed: bytes, stratum: str) -> list[str]:
        """The envelopes of one stratum, by the same method under a label of their own.

        Envelopes cannot know who came before: under minimisation they are independent coins.
        """
        method = "complete" if self.method == "minimisation" else self.method
        return self._drawn(method, self._source(seed, stratum, sealing.EMERGENCY), self.emergency)

    def _source(self, seed: bytes, stratum: str, kind: str) -> HmacDrbg:
        return HmacDrbg(seed, b"", sealing.personalization(self.trial, self.environment, stratum, kind))

    def _drawn(self, method: str, source: HmacDrbg, length: int) -> list[str]:
        if method == "permuted_blocks":
            drawn = procedures.permuted_blocks(source, self.block_sizes, length, self.ratio)
        elif method == "big_stick":
            drawn = procedures.big_stick(source, self.bound, length)
        elif method == "complete":
            drawn = procedures.complete(source, length, self.ratio)
        else:
            raise ValueError("minimisation commits draws, not arms")
        return [self.arms[arm] for arm in drawn]


def read(document: Any) -> Specification:
    """A specification from its file; raises BadSpecification with every mistake at once."""
    found = reading.problems(document)
    if found:
        raise BadSpecification(found)
    factors = tuple(map(Factor.of, document.get("factors", [])))
    minimised = document["method"] == "minimisation"
    weights = dict.fromkeys([SITE, *(factor.name for factor in factors)], 1) | document.get("weights", {})
    ratio = document.get("ratio", [1, 1])
    return Specification(
        trial=document["trial"],
        environment=document["environment"],
        method=document["method"],
        block_sizes=tuple(document.get("block_sizes", ())),
        bound=document.get("bound", 0),
        arms=(document["arms"][0], document["arms"][1]),
        strata=strata(document["sites"], factors),
        length=document["length"],
        factors=factors,
        ratio=(ratio[0], ratio[1]),
        probability=reading.thousandths(document.get("probability")) or 0,
        weights=tuple(sorted(weights.items())) if minimised else (),
        emergency=document.get("emergency", 0),
    )


def reread(document: Any) -> Specification:
    """A specification from what was frozen of it, held against every rule for its source; raises BadSpecification."""
    try:
        frozen = Specification.of(document)
        sites = list(dict.fromkeys(levels_of(stratum)[SITE] for stratum in frozen.strata))
        numbers = {
            name: str(Decimal(frozen.probability) / 1000) if name == "probability" else document[name]
            for name, owners in reading.OWNERS.items()
            if frozen.method in owners
        }
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise BadSpecification(["It is not what `freeze` wrote"]) from error
    kept = ("trial", "environment", "method", "arms", "factors", "length", "emergency")
    source = {name: document[name] for name in kept}
    if read({**source, "sites": sites, **numbers}) != frozen:
        raise BadSpecification(["Its strata and numbers are not those that `freeze` writes for it"])
    return frozen
