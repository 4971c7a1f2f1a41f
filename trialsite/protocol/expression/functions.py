"""What the language computes with: Kleene's logic, comparison of spans, and its named functions. All of it total."""

import ast
import calendar
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from trialsite.protocol.expression.values import CubeRoot, Span, Type, number

# Logic and comparison -------------------------------------------------------------------------------------------


def negation(value: bool | None) -> bool | None:
    """Kleene's not."""
    return None if value is None else not value


def conjunction(values: Sequence[bool | None]) -> bool | None:
    """Kleene's and."""
    if False in values:
        return False
    return None if None in values else True


def disjunction(values: Sequence[bool | None]) -> bool | None:
    """Kleene's or."""
    if True in values:
        return True
    return None if None in values else False


def less(a: Span, b: Span) -> bool | None:
    """Whether a < b for every pair of values; None where some pairs say yes and some no."""
    touching = a.high is not None and a.high == b.low and (a.high_open or b.low_open)
    if touching or (a.high is not None and b.low is not None and a.high < b.low):
        return True
    if a.low is not None and b.high is not None and a.low >= b.high:
        return False
    return None


def equal(a: Any, b: Any) -> bool | None:
    """Whether both are the same, for spans for every pair of values."""
    if not isinstance(a, Span):
        return bool(a == b)
    if a.exact and b.exact:
        return bool(a.low == b.low)
    return False if less(a, b) or less(b, a) else None


COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool | None]]] = {
    ast.Lt: less,
    ast.Gt: lambda a, b: less(b, a),
    ast.LtE: lambda a, b: negation(less(b, a)),
    ast.GtE: lambda a, b: negation(less(a, b)),
    ast.Eq: equal,
    ast.NotEq: lambda a, b: negation(equal(a, b)),
}
SIGNS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.Gt: ">",
    ast.LtE: "≤",
    ast.GtE: "≥",
    ast.Eq: "=",
    ast.NotEq: "≠",
}
ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


def arithmetic(op: type[ast.operator], left: Span | None, right: Span | None) -> Span | None:
    """`left op right` of exact numbers; None where one is not exact, or at a division by zero."""
    if left is None or right is None or not left.exact or not right.exact:
        return None
    if op is ast.Div and right.low == 0:
        return None
    return number(ARITHMETIC[op](left.low, right.low))


# Dates ----------------------------------------------------------------------------------------------------------


def _months_on(date: dt.date, months: int) -> dt.date:
    index = date.year * 12 + date.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def _moved(date: Span, count: Span, step: Callable[[dt.date, int], dt.date]) -> Span | None:
    if not count.exact or count.low.denominator != 1:
        return None
    try:
        return Span(step(date.low, int(count.low)), step(date.high, int(count.low)))
    except (ValueError, OverflowError):
        return None


def days_before(date: Span, count: Span) -> Span | None:
    """`count` days before `date`."""
    return _moved(date, count, lambda at, days: at - dt.timedelta(days=days))


def months_before(date: Span, count: Span) -> Span | None:
    """`count` calendar months before `date`, clamped to the month's end."""
    return _moved(date, count, lambda at, months: _months_on(at, -months))


def months_after(date: Span, count: Span) -> Span | None:
    """`count` calendar months after `date`, clamped to the month's end."""
    return _moved(date, count, _months_on)


def years_before(date: Span, count: Span) -> Span | None:
    """`count` calendar years before `date` (29 February becomes the 28th)."""
    return _moved(date, count, lambda at, years: _months_on(at, -12 * years))


def _full_years(birth: dt.date, at: dt.date) -> int:
    return at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))


def age(birth: Span, at: Span) -> Span:
    """Completed years of life; a span where a date is partial."""
    return Span(Fraction(_full_years(birth.high, at.low)), Fraction(_full_years(birth.low, at.high)))


# Formulas -------------------------------------------------------------------------------------------------------


def cockcroft_gault(years: Span, weight: Span, creatinine: Span, sex: str) -> Span | None:
    """Creatinine clearance in mL/min, exact: (140 − age)·kg / (72·mg/dL), ×0.85 for women; mg/dL = µmol/L ÷ 88.4.

    Cockcroft DW, Gault MH. Nephron 1976;16:31–41; actual weight. It falls with age and creatinine and rises with
    weight, so of spans the least and the most that is possible are given.
    """
    least = _clearance(years.high, weight.low, creatinine.high, sex)
    most = _clearance(years.low, weight.high, creatinine.low, sex)
    if least is None and most is None:
        return None
    return Span(
        least,
        most,
        years.high_open or weight.low_open or creatinine.high_open,
        years.low_open or weight.high_open or creatinine.low_open,
    )


def _clearance(
    years: Fraction | None, weight: Fraction | None, creatinine: Fraction | None, sex: str
) -> Fraction | None:
    """The formula at one end; None where that end is open, or the formula says nothing there."""
    if years is None or weight is None or creatinine is None or creatinine <= 0 or years > 140:
        return None
    clearance = (140 - years) * weight * Fraction("88.4") / (72 * creatinine)
    return clearance * Fraction("0.85") if sex == "female" else clearance


def qtcf(qt: Span, rate: Span) -> Span | None:
    """Fridericia's QT / ∛(60/rate) in ms, kept as the exact root ∛(QT³·rate/60): nothing is rounded.

    Fridericia LS. Acta Med Scand 1920;53:469–486.
    """
    if not (qt.exact and rate.exact):
        return None
    root = CubeRoot(qt.low**3 * rate.low / 60)
    return Span(root, root)


# Sets of codes --------------------------------------------------------------------------------------------------


def count(codes: frozenset[str]) -> Span:
    """How many codes are chosen."""
    return number(len(codes))


def all_in(codes: frozenset[str], *allowed: str) -> bool:
    """Whether every chosen code is one of `allowed`; false when none is chosen."""
    return bool(codes) and codes <= set(allowed)


def any_in(codes: frozenset[str], *wanted: str) -> bool:
    """Whether one of `wanted` is chosen."""
    return bool(codes & set(wanted))


@dataclass(frozen=True)
class Function:
    """What a function takes and gives; `rest` is the type of any further values, `codes` those of the last it takes."""

    call: Callable[..., Any]
    takes: tuple[Type, ...]
    gives: Type
    rest: Type | None = None
    codes: frozenset[str] = frozenset()


FUNCTIONS: Final[Mapping[str, Function]] = {
    "days_before": Function(days_before, ("date", "number"), "date"),
    "months_before": Function(months_before, ("date", "number"), "date"),
    "months_after": Function(months_after, ("date", "number"), "date"),
    "years_before": Function(years_before, ("date", "number"), "date"),
    "age": Function(age, ("date", "date"), "number"),
    "cockcroft_gault": Function(
        cockcroft_gault, ("number", "number", "number", "text"), "number", codes=frozenset({"male", "female"})
    ),
    "qtcf": Function(qtcf, ("number", "number"), "root"),
    "count": Function(count, ("set",), "number"),
    "all_in": Function(all_in, ("set",), "boolean", rest="text"),
    "any_in": Function(any_in, ("set",), "boolean", rest="text"),
}
