"""Stratification factors: which recorded value they look at, and into which level it falls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

SITE = "site"
Value = Fraction | bool | str


@dataclass(frozen=True)
class Level:
    """One level: the numbers from `low` to `high` (inclusive, in the item's canonical unit), or the listed codes."""

    name: str
    low: Fraction | None = None
    high: Fraction | None = None
    codes: tuple[str, ...] = ()

    def holds(self, value: Value) -> bool:
        """Whether `value` belongs to this level; `true` and `false` are the codes of a yes-or-no item."""
        if self.low is not None and self.high is not None:
            return isinstance(value, Fraction) and self.low <= value <= self.high
        return code(value) in self.codes

    def document(self) -> dict[str, Any]:
        """As JSON; numbers as text, so that every implementation writes them alike."""
        if self.low is not None and self.high is not None:
            return {"level": self.name, "from": str(self.low), "to": str(self.high)}
        return {"level": self.name, "is": list(self.codes)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Level":
        if "is" in document:
            return cls(document["level"], codes=tuple(map(code, document["is"])))
        return cls(document["level"], Fraction(str(document["from"])), Fraction(str(document["to"])))


@dataclass(frozen=True)
class Factor:
    """One factor besides the hospital: the item `form.item` recorded at `event`, cut into levels."""

    name: str
    event: str
    form: str
    item: str
    levels: tuple[Level, ...]

    def level_of(self, value: Value | None) -> str | None:
        """The level that `value` falls into; None where it falls into none, or is not known."""
        if value is None:
            return None
        return next((level.name for level in self.levels if level.holds(value)), None)

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "item": "/".join((self.event, self.form, self.item)),
            "levels": [level.document() for level in self.levels],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Factor":
        event, form, item = document["item"].split("/")
        return cls(document["name"], event, form, item, tuple(map(Level.of, document["levels"])))


def code(value: object) -> str:
    """A code as text: YAML reads an unquoted `true` as a truth value and `1` as a number."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def key(levels: Mapping[str, str]) -> str:
    """The name of a stratum: `factor=level` pairs in the order of the factors' names, `;` between."""
    return ";".join(f"{factor}={level}" for factor, level in sorted(levels.items()))


def levels_of(stratum: str) -> dict[str, str]:
    """The levels that a stratum's name states; raises ValueError for what `key` cannot have made."""
    pairs = dict(pair.split("=", 1) for pair in stratum.split(";"))
    if key(pairs) != stratum:
        raise ValueError(stratum)
    return pairs


def strata(sites: Sequence[str], factors: Sequence[Factor]) -> tuple[str, ...]:
    """The names of all strata: hospital × the factors' levels, in the order in which they are written."""
    names = [SITE, *(factor.name for factor in factors)]
    levels = [sites, *([level.name for level in factor.levels] for factor in factors)]
    return tuple(key(dict(zip(names, combined, strict=True))) for combined in product(*levels))
