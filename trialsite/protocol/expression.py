"""The expression language of criteria, edit checks and skip rules: small, typed, total, exact, three-valued.

Syntax: `and or not`, comparisons, `in ["a", "b"]`, `+ - * /`, numbers, strings, `true`/`false`, references
`form.item`, `setting.name`, `t0`, and the functions below; nothing else. Values are exact (fractions, never floats)
and may be spans: a partial date ("2024-05") is every day of that month, "<20" is every number below 20. A comparison
is decided only when it comes out the same for all of the span; otherwise it is unknown, and Kleene's logic carries
that on (S. C. Kleene, Introduction to Metamathematics, 1952, § 64). Evaluation never raises.
"""

import ast
import calendar
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal

Type = Literal["number", "boolean", "date", "text", "set"]
Missing = Literal["missing", "stale", "partial"]


@dataclass(frozen=True)
class Span:
    """Every value from `low` to `high`; None is open-ended. An exact value is a span of one."""

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False

    @property
    def exact(self) -> bool:
        return self.low is not None and self.low == self.high


@dataclass(frozen=True)
class Observation:
    """One recorded value: a Span of numbers or dates, a bool, a code, or a set of codes.

    `uln` is the site's upper limit of normal in the canonical unit; `stale` says that the validity window has passed;
    `shown` is the value as it was entered, for explanations.
    """

    value: Span | bool | str | frozenset[str] | None
    taken_on: dt.date | None = None
    uln: Fraction | None = None
    stale: bool = False
    source: str = ""
    shown: str = ""


Facts = Mapping[str, Observation]


def number(value: int | str | Fraction) -> Span:
    """An exact number."""
    exact = Fraction(value)
    return Span(exact, exact)


def day(value: dt.date) -> Span:
    """An exact date."""
    return Span(value, value)


def partial_date(text: str) -> Span:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD` as the span of its days; raises ValueError for anything else."""
    parts = text.split("-")
    if [len(part) for part in parts] not in ([4], [4, 2], [4, 2, 2]) or not all(
        part.isdigit() for part in parts
    ):
        raise ValueError(text)
    numbers = [int(part) for part in parts]
    first = dt.date(*([*numbers, 1, 1])[:3])
    if len(numbers) == 3:
        return Span(first, first)
    month = numbers[1] if len(numbers) == 2 else 12
    return Span(first, dt.date(first.year, month, calendar.monthrange(first.year, month)[1]))


class BadExpression(ValueError):
    """The source is not of the language, does not type-check, or names something unknown; str() says what."""


@dataclass(frozen=True)
class Scope:
    """What an expression may name: the type of each reference, the codes of coded items, the settings."""

    types: Mapping[str, Type]
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    with_uln: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Trace:
    facts: Facts
    settings: Mapping[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What an expression came to: `value` is None when unknown; `inputs` as entered; `missing` what lacks and why."""

    value: Any
    inputs: Mapping[str, str]
    missing: Mapping[str, Missing]


# Comparison of spans --------------------------------------------------------------------------------------------


def _less(a: Span, b: Span) -> bool | None:
    touching = a.high is not None and a.high == b.low and (a.high_open or b.low_open)
    if touching or (a.high is not None and b.low is not None and a.high < b.low):
        return True
    if a.low is not None and b.high is not None and a.low >= b.high:
        return False
    return None


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _equal(a: Any, b: Any) -> bool | None:
    if not isinstance(a, Span):
        return bool(a == b)
    if a.exact and b.exact:
        return bool(a.low == b.low)
    return False if _less(a, b) or _less(b, a) else None


_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool | None]]] = {
    ast.Lt: _less,
    ast.Gt: lambda a, b: _less(b, a),
    ast.LtE: lambda a, b: _not(_less(b, a)),
    ast.GtE: lambda a, b: _not(_less(a, b)),
    ast.Eq: _equal,
    ast.NotEq: lambda a, b: _not(_equal(a, b)),
}


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


# Functions ------------------------------------------------------------------------------------------------------


def _months_back(date: dt.date, months: int) -> dt.date:
    index = date.year * 12 + date.month - 1 - months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def _back(date: Span, count: Span, step: Callable[[dt.date, int], dt.date]) -> Span | None:
    if not count.exact or count.low.denominator != 1:
        return None
    try:
        return Span(step(date.low, int(count.low)), step(date.high, int(count.low)))
    except (ValueError, OverflowError):
        return None


def days_before(date: Span, count: Span) -> Span | None:
    """`count` days before `date`."""
    return _back(date, count, lambda at, days: at - dt.timedelta(days=days))


def months_before(date: Span, count: Span) -> Span | None:
    """`count` calendar months before `date`, clamped to the month's end."""
    return _back(date, count, _months_back)


def years_before(date: Span, count: Span) -> Span | None:
    """`count` calendar years before `date` (29 February becomes the 28th)."""
    return _back(date, count, lambda at, years: _months_back(at, 12 * years))


def _full_years(birth: dt.date, at: dt.date) -> int:
    return at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))


def age(birth: Span, at: Span) -> Span:
    """Completed years of life; a span where a date is partial."""
    return Span(Fraction(_full_years(birth.high, at.low)), Fraction(_full_years(birth.low, at.high)))


def cockcroft_gault(years: Span, weight: Span, creatinine: Span, sex: str) -> Span | None:
    """Creatinine clearance in mL/min, exact: (140 − age)·kg / (72·mg/dL), ×0.85 for women; mg/dL = µmol/L ÷ 88.4.

    Cockcroft DW, Gault MH. Nephron 1976;16:31–41; actual weight.
    """
    if not (years.exact and weight.exact and creatinine.exact) or creatinine.low <= 0:
        return None
    clearance = (140 - years.low) * weight.low * Fraction("88.4") / (72 * creatinine.low)
    return number(clearance * Fraction("0.85") if sex == "female" else clearance)


def qtcf_at_most(qt: Span, rate: Span, limit: Span) -> bool | None:
    """Whether Fridericia's QT / ∛(60/rate) is at most `limit` ms, without a root: QT³·rate ≤ limit³·60.

    Fridericia LS. Acta Med Scand 1920;53:469–486.
    """
    if not (qt.exact and rate.exact and limit.exact):
        return None
    return bool(qt.low**3 * rate.low <= limit.low**3 * 60)


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
class _Function:
    call: Callable[..., Any]
    takes: tuple[Type, ...]
    gives: Type
    rest: Type | None = None


FUNCTIONS: Final[Mapping[str, _Function]] = {
    "days_before": _Function(days_before, ("date", "number"), "date"),
    "months_before": _Function(months_before, ("date", "number"), "date"),
    "years_before": _Function(years_before, ("date", "number"), "date"),
    "age": _Function(age, ("date", "date"), "number"),
    "cockcroft_gault": _Function(cockcroft_gault, ("number", "number", "number", "text"), "number"),
    "qtcf_at_most": _Function(qtcf_at_most, ("number", "number", "number"), "boolean"),
    "count": _Function(count, ("set",), "number"),
    "all_in": _Function(all_in, ("set",), "boolean", rest="text"),
    "any_in": _Function(any_in, ("set",), "boolean", rest="text"),
}

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


# Reading and checking -------------------------------------------------------------------------------------------


@lru_cache(maxsize=2000)
def _parse(source: str) -> ast.expr:
    if len(source) > 2000:
        raise BadExpression("longer than 2000 characters")
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression(f"cannot be read: {error}") from error


def _reference(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


class _Checker:
    """Gives each node its type, or raises BadExpression."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def type_of(self, node: ast.expr) -> Type:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self._expect(value, "boolean")
                return "boolean"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._expect(operand, "boolean")
                return "boolean"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                self._expect(operand, "number")
                return "number"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                self._expect(left, "number")
                self._expect(right, "number")
                return "number"
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=value):
                return self._constant(value)
        name = _reference(node)
        if name is None:
            raise BadExpression(f"“{ast.unparse(node)}” is not part of the language")
        return self._named(name)

    def _expect(self, node: ast.expr, wanted: Type) -> None:
        found = self.type_of(node)
        if found != wanted:
            raise BadExpression(f"“{ast.unparse(node)}” is a {found}, a {wanted} is needed")

    @staticmethod
    def _constant(value: object) -> Type:
        if isinstance(value, bool):
            return "boolean"
        if isinstance(value, int | float):
            return "number"
        if isinstance(value, str):
            return "text"
        raise BadExpression(f"{value!r} is not a value of the language")

    def _named(self, name: str) -> Type:
        if name in ("true", "false"):
            return "boolean"
        if name.startswith("setting."):
            setting = name.removeprefix("setting.")
            if setting not in self.scope.settings:
                raise BadExpression(f"there is no setting “{setting}”")
            return self._constant(self.scope.settings[setting])
        if name not in self.scope.types:
            raise BadExpression(f"there is no item “{name}”")
        return self.scope.types[name]

    def _comparison(self, node: ast.Compare) -> Type:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                self._membership(left, right)
            else:
                self._pair(left, op, right)
            left = right
        return "boolean"

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
        if type(op) not in _COMPARE:
            raise BadExpression("only < <= > >= == != and in compare")
        kind = self.type_of(left)
        self._expect(right, kind)
        if kind == "set" or (kind in ("text", "boolean") and not isinstance(op, ast.Eq | ast.NotEq)):
            raise BadExpression(f"a {kind} cannot be compared so")
        self._codes(left, [right])
        self._codes(right, [left])

    def _membership(self, left: ast.expr, right: ast.expr) -> None:
        if not isinstance(right, ast.List) or not right.elts:
            raise BadExpression('after “in” comes a list such as ["a", "b"]')
        kind = self.type_of(left)
        for element in right.elts:
            if not isinstance(element, ast.Constant):
                raise BadExpression("a list holds plain values only")
            self._expect(element, kind)
        self._codes(left, right.elts)

    def _codes(self, node: ast.expr, others: Sequence[ast.expr]) -> None:
        name = _reference(node)
        known = self.scope.codes.get(name or "")
        for other in others:
            if known is not None and isinstance(other, ast.Constant) and other.value not in known:
                raise BadExpression(f"“{name}” has no code {other.value!r}")

    def _call(self, node: ast.Call) -> Type:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise BadExpression(f"“{ast.unparse(node)}” is not a call of the language")
        name = node.func.id
        if name in ("known", "uln"):
            return self._special(name, node)
        function = FUNCTIONS.get(name)
        if function is None:
            raise BadExpression(f"there is no function “{name}”")
        plain = node.args[: len(function.takes)]
        rest = node.args[len(function.takes) :]
        if len(plain) < len(function.takes) or (rest and function.rest is None):
            raise BadExpression(f"“{name}” takes {len(function.takes)} values")
        for argument, wanted in zip(plain, function.takes, strict=True):
            self._expect(argument, wanted)
        for argument in rest:
            self._expect(argument, function.rest or "text")
        if rest:
            self._codes(plain[0], rest)
        return function.gives

    def _special(self, name: str, node: ast.Call) -> Type:
        reference = _reference(node.args[0]) if len(node.args) == 1 else None
        if reference is None or reference not in self.scope.types:
            raise BadExpression(f"“{name}” takes one item of a form")
        if name == "uln" and reference not in self.scope.with_uln:
            raise BadExpression(f"“{reference}” has no upper limit of normal")
        return "boolean" if name == "known" else "number"


def check(source: str, scope: Scope, *, gives: Type = "boolean") -> None:
    """Raise BadExpression unless `source` is of the language, type-checks in `scope` and gives a `gives`."""
    found = _Checker(scope).type_of(_parse(source))
    if found != gives:
        raise BadExpression(f"gives a {found}, a {gives} is needed")


def references(source: str) -> set[str]:
    """The items that `source` names."""
    names = {_reference(node) for node in ast.walk(_parse(source)) if isinstance(node, ast.Attribute)}
    return {name for name in names if name and not name.startswith("setting.")}


# Evaluation -----------------------------------------------------------------------------------------------------


def evaluate(source: str, facts: Facts, settings: Mapping[str, Any]) -> Outcome:
    """The value of a checked expression over `facts`; unknown (None) wherever something needed is missing."""
    trace = _Trace(facts, settings)
    value = _value(_parse(source), trace)
    return Outcome(value, trace.inputs, trace.missing if value is None else {})


def _value(node: ast.expr, trace: _Trace) -> Any:
    match node:
        case ast.BoolOp(op=op, values=values):
            found = [_value(value, trace) for value in values]
            return conjunction(found) if isinstance(op, ast.And) else disjunction(found)
        case ast.UnaryOp(op=op, operand=operand):
            inner = _value(operand, trace)
            if isinstance(op, ast.Not):
                return _not(inner)
            return None if inner is None or not inner.exact else number(-inner.low)
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(op, _value(left, trace), _value(right, trace))
        case ast.Compare():
            return _compare(node, trace)
        case ast.Call():
            return _apply(node, trace)
        case ast.Constant(value=value):
            return _plain(value)
    return _named_value(_reference(node) or "", trace)


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str):
        return value
    return number(str(value))


def _named_value(name: str, trace: _Trace) -> Any:
    if name in ("true", "false"):
        return name == "true"
    if name.startswith("setting."):
        return _plain(trace.settings[name.removeprefix("setting.")])
    found = trace.facts.get(name)
    if found is None or found.value is None:
        trace.missing[name] = "missing"
        return None
    trace.inputs[name] = found.shown
    if found.stale:
        trace.missing[name] = "stale"
        return None
    if isinstance(found.value, Span) and not found.value.exact:
        trace.missing[name] = "partial"
    return found.value


def _arithmetic(op: ast.operator, left: Span | None, right: Span | None) -> Span | None:
    if left is None or right is None or not left.exact or not right.exact:
        return None
    if isinstance(op, ast.Div) and right.low == 0:
        return None
    return number(_ARITHMETIC[type(op)](left.low, right.low))


def _compare(node: ast.Compare, trace: _Trace) -> bool | None:
    found: list[bool | None] = []
    left = _value(node.left, trace)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        if isinstance(right_node, ast.List):
            options = [_value(element, trace) for element in right_node.elts]
            held = None if left is None else disjunction([_equal(left, option) for option in options])
            found.append(_not(held) if isinstance(op, ast.NotIn) else held)
            continue
        right = _value(right_node, trace)
        found.append(None if left is None or right is None else _COMPARE[type(op)](left, right))
        left = right
    return conjunction(found)


def _apply(node: ast.Call, trace: _Trace) -> Any:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in ("known", "uln"):
        return _special_value(name, _reference(node.args[0]) or "", trace)
    arguments = [_value(argument, trace) for argument in node.args]
    return None if None in arguments else FUNCTIONS[name].call(*arguments)


def _special_value(name: str, reference: str, trace: _Trace) -> Any:
    found = trace.facts.get(reference)
    if name == "known":
        return found is not None and found.value is not None and not found.stale
    if found is None or found.uln is None:
        trace.missing[f"{reference} ULN"] = "missing"
        return None
    return number(found.uln)
