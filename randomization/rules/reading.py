"""What is wrong with a statistician's specification: every mistake at once, each with its path and what is expected."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from randomization.rules.factors import SITE, code

# What an installation can be (docs/operations.md): a list of any other could never be installed.
ENVIRONMENTS: Final = ("demo", "training", "prod")
METHODS: Final = ("permuted_blocks", "big_stick", "complete", "minimisation")
KEYS: Final = frozenset(
    {"trial", "environment", "method", "block_sizes", "bound", "probability", "weights", "ratio"}
    | {"arms", "sites", "factors", "length", "emergency"}
)
# Which method a number belongs to.
OWNERS: Final[Mapping[str, Sequence[str]]] = {
    "block_sizes": ("permuted_blocks",),
    "bound": ("big_stick",),
    "probability": ("minimisation",),
    "weights": ("minimisation",),
    "ratio": ("permuted_blocks", "complete", "minimisation"),
}
LONGEST: Final = 100_000
_LARGEST: Final = 10**9
_FINEST: Final = 10**6


def problems(document: Any) -> list[str]:
    """One sentence for each mistake; empty when `document` is a specification."""
    if not isinstance(document, Mapping):
        return ["The file must hold names and values: trial, environment, method and so on"]
    return [
        *(f"“{name}” is not known here" for name in sorted(str(key) for key in set(document) - KEYS)),
        *_places(document),
        *_method(document),
        *_factors(document.get("factors", [])),
    ]


def thousandths(value: Any) -> int | None:
    """A probability as whole thousandths; None where it is not one above one half and below one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        exact = Decimal(str(value)) * 1000
    except ArithmeticError:
        return None
    if not exact.is_finite() or not 500 < exact < 1000 or exact != int(exact):
        return None
    return int(exact)


def _name(value: Any) -> bool:
    """Printable text: a control character could make two lists' personalization strings the same."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _part(value: Any) -> bool:
    """A name that may stand in a stratum's name, between `=` and `;`."""
    return _name(value) and not set(value) & {"=", ";"}


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _places(document: Mapping[str, Any]) -> Iterator[str]:
    if not _name(document.get("trial")):
        yield "trial: a name is needed"
    environment = document.get("environment")
    if environment not in ENVIRONMENTS:
        yield f"environment: {environment!r} found; expected one of {', '.join(ENVIRONMENTS)}"
    arms, sites = document.get("arms"), document.get("sites")
    if not _different(arms, _name, least=2, most=2):
        yield "arms: a list of 2 different names is needed"
    if not _different(sites, _part):
        yield "sites: a list of one or more different hospital codes is needed, without “=” and “;”"
    if not _whole(document.get("length"), 1, LONGEST):
        yield f"length: a whole number from 1 to {LONGEST} is needed"
    if not _whole(document.get("emergency", 0), 0, LONGEST):
        yield f"emergency: a whole number from 0 to {LONGEST} is needed"


def _different(values: Any, good: Callable[[Any], bool], least: int = 1, most: int = 1000) -> bool:
    """Whether `values` is a list of `least` to `most`, all of them `good`, none twice."""
    return (
        isinstance(values, list)
        and least <= len(values) <= most
        and all(map(good, values))
        and len(set(values)) == len(values)
    )


def _method(document: Mapping[str, Any]) -> Iterator[str]:
    method = document.get("method")
    known = method in METHODS
    if not known:
        yield f"method: {method!r} found; expected one of {', '.join(METHODS)}"
    for name, owners in OWNERS.items():
        if known and name in document and method not in owners:
            yield f"{name}: only {' and '.join(owners)} {'has' if len(owners) == 1 else 'have'} it"

    def asked(name: str) -> bool:
        """Whether the method needs it; of an unknown method it is looked at where it is there."""
        return method in OWNERS[name] if known else name in document

    ratio = document.get("ratio", [1, 1])
    good_ratio = isinstance(ratio, list) and len(ratio) == 2 and all(_whole(share, 1, 10) for share in ratio)
    if not good_ratio:
        yield "ratio: two whole numbers from 1 to 10 are needed, in the order of the arms"
    if asked("bound"):
        yield from _bound(document.get("bound"))
    if asked("block_sizes"):
        yield from _sizes(document.get("block_sizes"), sum(ratio) if good_ratio else 2)
    if asked("probability"):
        yield from _minimisation(document)


def _bound(bound: Any) -> Iterator[str]:
    if not _whole(bound, 1, 50):
        yield "bound: a whole number from 2 to 50 is needed"
    elif bound == 1:
        yield "bound: 1 is a block of 2, which gives its last allocation away before anything else can hide it"


def _sizes(sizes: Any, unit: int) -> Iterator[str]:
    if not _different(sizes, lambda size: _whole(size, unit, 100) and size % unit == 0):
        yield f"block_sizes: a list of different multiples of {unit}, up to 100, is needed"
    if isinstance(sizes, list) and unit in sizes:
        yield f"block_sizes: a block of {unit} gives its last allocation away before anything else can hide it"


def _minimisation(document: Mapping[str, Any]) -> Iterator[str]:
    if thousandths(document.get("probability")) is None:
        yield "probability: a number above 0.5 and below 1 with at most three decimals is needed"
    factors = document.get("factors")
    known = {SITE} | {
        str(factor.get("name"))
        for factor in (factors if isinstance(factors, list) else [])
        if isinstance(factor, Mapping)
    }
    weights = document.get("weights", {})
    if not isinstance(weights, Mapping):
        yield "weights: factor names with whole numbers are needed"
        return
    for name, weight in weights.items():
        if str(name) not in known:
            yield f"weights.{name}: there is no such factor; expected {', '.join(sorted(known))}"
        if not _whole(weight, 1, 100):
            yield f"weights.{name}: {weight!r} found; expected a whole number from 1 to 100"


def _factors(factors: Any) -> Iterator[str]:
    if not isinstance(factors, list):
        yield "factors: a list is needed; leave it out to stratify by hospital alone"
        return
    names: set[str] = {SITE}
    for place, factor in enumerate(factors):
        path = f"factors[{place}]"
        if not isinstance(factor, Mapping) or set(factor) != {"name", "item", "levels"}:
            yield f"{path}: name, item and levels are needed, and nothing else"
            continue
        name, item = factor["name"], factor["item"]
        if not _part(name):
            yield f"{path}.name: a name without “=” and “;” is needed"
        elif name in names:
            yield f"{path}.name: {name!r} stands twice, or is the hospital's own name"
        else:
            names.add(name)
        if not _name(item) or len(item.split("/")) != 3 or not all(item.split("/")):
            yield f"{path}.item: {item!r} found; expected event/form/item, such as SCR/pain/worst"
        yield from _levels(factor["levels"], f"{path}.levels")


def _levels(levels: Any, path: str) -> Iterator[str]:
    if not isinstance(levels, list) or not 2 <= len(levels) <= 20:
        yield f"{path}: 2 to 20 levels are needed"
        return
    names: list[str] = []
    codes: list[str] = []
    ranges: list[tuple[Fraction, Fraction]] = []
    for place, level in enumerate(levels):
        here = f"{path}[{place}]"
        if not isinstance(level, Mapping) or set(level) not in ({"level", "from", "to"}, {"level", "is"}):
            yield f"{here}: level with from and to, or level with is, is needed"
            continue
        if not _part(level["level"]) or level["level"] in names:
            yield f"{here}.level: a name without “=” and “;”, different from the others, is needed"
        else:
            names.append(level["level"])
        if "is" in level:
            yield from _codes(level["is"], codes, f"{here}.is")
        else:
            yield from _range(level, ranges, here)
    if codes and ranges:
        yield f"{path}: either ranges of numbers or lists of codes, not both"


def _codes(found: Any, before: list[str], path: str) -> Iterator[str]:
    if not isinstance(found, list) or not found or not all(isinstance(one, str | int) for one in found):
        yield f"{path}: a list of codes is needed"
        return
    for one in map(code, found):
        if one in before:
            yield f"{path}: {one!r} stands in another level already"
        before.append(one)


def _range(level: Mapping[str, Any], before: list[tuple[Fraction, Fraction]], path: str) -> Iterator[str]:
    ends = [_number(level[end]) for end in ("from", "to")]
    low, high = ends
    if low is None or high is None or low > high:
        yield f"{path}: from and to must be numbers, from not above to"
        return
    if any(low <= other_high and other_low <= high for other_low, other_high in before):
        yield f"{path}: this range overlaps another level's"
    before.append((low, high))


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        # As it is frozen a number may be `numerator/denominator`.
        exact = Fraction(value) if isinstance(value, str) and "/" in value else Decimal(str(value))
        if not -_LARGEST < exact < _LARGEST:
            return None
    except (ArithmeticError, ValueError):
        return None
    return Fraction(exact).limit_denominator(_FINEST)
