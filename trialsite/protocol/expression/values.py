"""Values of the language: exact numbers and dates, spans of them, and the irrational roots that formulas give."""

import calendar
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import Any, Literal

Type = Literal["number", "root", "boolean", "date", "instant", "text", "set"]
Missing = Literal["missing", "stale", "partial", "insufficient"]


@total_ordering
@dataclass(frozen=True, eq=False)
class CubeRoot:
    """The real cube root of a rational number. It is compared with rational numbers exactly, never rounded."""

    cube: Fraction

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CubeRoot | Fraction) and self.cube == _cube(other)

    def __lt__(self, other: "CubeRoot | Fraction") -> bool:
        return self.cube < _cube(other)

    def __hash__(self) -> int:
        return hash(("cube root", self.cube))

    def rounded(self, places: int) -> Fraction:
        """To so many decimals, halves up: for people to read, never for a comparison. Positive roots only."""
        scaled = self.cube * 1000**places
        whole = _whole_root(scaled.numerator // scaled.denominator)
        return Fraction(whole + (CubeRoot(scaled) >= Fraction(2 * whole + 1, 2)), 10**places)


def _cube(value: "CubeRoot | Fraction") -> Fraction:
    return value.cube if isinstance(value, CubeRoot) else value**3


def _whole_root(value: int) -> int:
    """The greatest whole number whose cube is at most `value` (Newton's method from above)."""
    guess = 1 << (value.bit_length() // 3 + 1)
    while guess**3 > value:
        guess = (2 * guess + value // guess**2) // 3
    return guess


@dataclass(frozen=True)
class Span:
    """Every value from `low` to `high`; None is open-ended. An exact value is a span of one."""

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False

    @property
    def exact(self) -> bool:
        return self.low is not None and bool(self.low == self.high)


@dataclass(frozen=True)
class Observation:
    """One recorded value: a Span of numbers, dates or instants, a bool, a code, or a set of codes.

    `uln` is the site's upper limit of normal in the canonical unit; `stale` says that the validity window has passed;
    `shown` is the value as it was entered, `uln_shown` its limit with the days on which that holds, and `source` the
    record that holds them, for explanations.
    """

    value: Span | bool | str | frozenset[str] | None
    taken_on: dt.date | None = None
    uln: Fraction | None = None
    stale: bool = False
    source: str = ""
    shown: str = ""
    uln_shown: str = ""


Facts = Mapping[str, Observation]


def number(value: int | str | Fraction) -> Span:
    """An exact number."""
    exact = Fraction(value)
    return Span(exact, exact)


def day(value: dt.date) -> Span:
    """An exact date."""
    return Span(value, value)


def instant(value: dt.datetime) -> Span:
    """An instant, to the minute as people write it: what one entry says to the second contradicts no other."""
    exact = value.replace(second=0, microsecond=0)
    return Span(exact, exact)


def as_day(value: Any) -> Any:
    """The day of an instant on the wall clock of its own zone; anything else as it is."""
    if isinstance(value, Span) and isinstance(value.low, dt.datetime):
        return day(value.low.date())
    return value


def partial_date(text: str) -> Span:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD` as the span of its days; raises ValueError for anything else."""
    parts = text.split("-")
    if [len(part) for part in parts] not in ([4], [4, 2], [4, 2, 2]) or not all(
        part.isascii() and part.isdigit() for part in parts
    ):
        raise ValueError(text)
    numbers = [int(part) for part in parts]
    first = dt.date(*([*numbers, 1, 1])[:3])
    if len(numbers) == 3:
        return Span(first, first)
    month = numbers[1] if len(numbers) == 2 else 12
    return Span(first, dt.date(first.year, month, calendar.monthrange(first.year, month)[1]))


def plain(value: Fraction) -> str:
    """An exact number as text: a decimal where it ends, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    scaled = abs(value * 10**digits).numerator
    text = str(scaled).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def to_read(value: Any, places: int = 2) -> str:
    """A value for people: what does not end within `places` decimals is rounded, halves up, and marked with ≈."""
    if not isinstance(value, Span):
        return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    if value.exact:
        return _end_to_read(value.low, places)
    if value.low is None or value.high is None:
        sign, end, is_open = (
            ("<", value.high, value.high_open) if value.low is None else (">", value.low, value.low_open)
        )
        return f"{sign if is_open else {'<': '≤', '>': '≥'}[sign]} {_end_to_read(end, places)}"
    return f"{_end_to_read(value.low, places)} – {_end_to_read(value.high, places)}"


def rounded(value: "Fraction | CubeRoot", places: int) -> Fraction:
    """To so many decimals, halves away from zero."""
    if isinstance(value, CubeRoot):
        return value.rounded(places)
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(-whole if value < 0 else whole, 10**places)


def _end_to_read(value: Any, places: int) -> str:
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if not isinstance(value, Fraction | CubeRoot):
        return str(value)
    # What ends within so many decimals needs no rounding, which is dear: a verdict tells some ninety numbers.
    if isinstance(value, Fraction) and 10**places % value.denominator == 0:
        return plain(value)
    near = rounded(value, places)
    return plain(near) if near == value else f"≈{plain(near)}"
