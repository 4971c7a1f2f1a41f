"""A checked expression, made into functions once and evaluated often. Evaluation never raises."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trialsite.protocol.expression.checking import Number, parse, plain_setting, reference, written
from trialsite.protocol.expression.functions import (
    ARITHMETIC,
    COMPARE,
    FUNCTIONS,
    SIGNS,
    arithmetic,
    conjunction,
    disjunction,
    equal,
    negation,
)
from trialsite.protocol.expression.values import Facts, Missing, Observation, Span, as_day, number, plain


@dataclass(frozen=True)
class Comparison:
    """One comparison with a limit as it came out: what stood on both sides in the rule, and their values."""

    left: str
    sign: str
    right: str
    left_value: Any
    right_value: Any
    held: bool | None


@dataclass(frozen=True)
class Outcome:
    """What an expression came to. `value` is None when unknown.

    `read` are the observations that were looked at; `compared` the comparisons with limits; `missing` what lacks and
    why, where the value is unknown, and only as far as it would decide.
    """

    value: Any
    read: Mapping[str, Observation]
    compared: tuple[Comparison, ...]
    missing: Mapping[str, Missing]

    @property
    def inputs(self) -> dict[str, str]:
        """The values that were read, as entered."""
        return {name: found.shown for name, found in self.read.items()}


@dataclass
class _Trace:
    facts: Facts
    read: dict[str, Observation] = field(default_factory=dict)
    compared: list[Comparison] = field(default_factory=list)
    missing: list[tuple[str, Missing]] = field(default_factory=list)


_Step = Callable[[_Trace], Any]


@dataclass(frozen=True)
class Compiled:
    """An expression under given settings: `references` are the items that it can read."""

    source: str
    references: frozenset[str]
    step: _Step

    def evaluate(self, facts: Facts) -> Outcome:
        """The value over `facts`; unknown (None) wherever something needed is missing."""
        trace = _Trace(facts)
        value = self.step(trace)
        missing = dict(trace.missing) if value is None else {}
        return Outcome(value, trace.read, tuple(trace.compared), missing)


def compiled(
    source: str, settings: Mapping[str, Any], derivations: Mapping[str, str] | None = None
) -> Compiled:
    """Make a checked `source` ready. Settings are constants: a branch that they rule out is left out.

    `derivations` gives the expression of each computed item: where a rule names one, its exact value is computed.
    """
    compiler = _Compiler(source, settings, derivations or {})
    step = compiler.step(parse(source))
    return Compiled(source, frozenset(compiler.references), step)


class _Compiler:
    def __init__(self, source: str, settings: Mapping[str, Any], derivations: Mapping[str, str]) -> None:
        self.source, self.settings, self.derivations = source, settings, derivations
        self.references: set[str] = set()

    def step(self, node: ast.expr) -> _Step:
        match node:
            case ast.BoolOp(op=op, values=values):
                decide = conjunction if isinstance(op, ast.And) else disjunction
                return _settling(_all([self.step(value) for value in values], decide))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.step(operand)
                return lambda trace: negation(inner(trace))
            case ast.UnaryOp(operand=operand):
                inner = self.step(operand)
                zero = number(0)
                return lambda trace: arithmetic(ast.Sub, zero, inner(trace))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                one, two, kind = self.step(left), self.step(right), type(op)
                return lambda trace: arithmetic(kind, one(trace), two(trace))
            case ast.IfExp():
                return self._choice(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=value):
                return _always(value if isinstance(value, str) else number(written(self.source, node)))
        return self._named(reference(node) or "")

    def _choice(self, node: ast.IfExp) -> _Step:
        """Where settings alone decide, the other branch is not compiled; else an open test leaves both open."""
        # Its own references: an item that was named before decides no less when it is named again.
        before, self.references = self.references, set()
        test = self.step(node.test)
        settled = None if self.references else test(_Trace({}))
        self.references |= before
        if settled is not None:
            return self.step(node.body if settled else node.orelse)
        body, orelse = self.step(node.body), self.step(node.orelse)

        def choose(trace: _Trace) -> Any:
            held = test(trace)
            if held is not None:
                return body(trace) if held else orelse(trace)
            one, two = body(trace), orelse(trace)
            return one if one == two else None

        return _settling(choose)

    def _comparison(self, node: ast.Compare) -> _Step:
        pairs: list[_Step] = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            pairs.append(
                self._membership(left, op, right)
                if isinstance(right, ast.List)
                else self._pair(left, op, right)
            )
            left = right
        return pairs[0] if len(pairs) == 1 else _settling(_all(pairs, conjunction))

    def _membership(self, left: ast.expr, op: ast.cmpop, right: ast.List) -> _Step:
        asked, turned = self.step(left), isinstance(op, ast.NotIn)
        options = [self.step(element)(_Trace({})) for element in right.elts]

        def within(trace: _Trace) -> bool | None:
            value = asked(trace)
            held = None if value is None else disjunction([equal(value, option) for option in options])
            return negation(held) if turned else held

        return _settling(within)

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> _Step:
        one, two = self.step(left), self.step(right)
        compare, sign = COMPARE[type(op)], SIGNS[type(op)]
        words = written(self.source, left), written(self.source, right)

        def pair(trace: _Trace) -> bool | None:
            a, b = one(trace), two(trace)
            if a is None or b is None:
                return None
            if isinstance(a, Span) and isinstance(b, Span) and type(a.low) is not type(b.low):
                a, b = as_day(a), as_day(b)
            held = compare(a, b)
            if isinstance(a, Span):
                trace.compared.append(Comparison(words[0], sign, words[1], a, b, held))
            return held

        return _settling(pair)

    def _call(self, node: ast.Call) -> _Step:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _SPECIAL:
            item = reference(node.args[0]) or ""
            self.references.add(item)
            return _SPECIAL[name](item)
        function = FUNCTIONS[name].call
        arguments = [self.step(argument) for argument in node.args]

        def apply(trace: _Trace) -> Any:
            values = [as_day(argument(trace)) for argument in arguments]
            return None if any(value is None for value in values) else function(*values)

        return apply

    def _named(self, name: str) -> _Step:
        if name in ("true", "false"):
            return _always(name == "true")
        if name.startswith("setting."):
            value = plain_setting(self.settings[name.removeprefix("setting.")])
            if isinstance(value, Number) or (isinstance(value, int) and not isinstance(value, bool)):
                return _always(number(value))
            return _always(value)
        if name in self.derivations:
            inner = _Compiler(self.derivations[name], self.settings, {})
            step = inner.step(parse(self.derivations[name]))
            self.references |= inner.references
            return step
        self.references.add(name)

        def look(trace: _Trace) -> Any:
            found = trace.facts.get(name)
            if found is None or found.value is None:
                trace.missing.append((name, "missing"))
                return None
            trace.read[name] = found
            if found.stale:
                trace.missing.append((name, "stale"))
                return None
            if isinstance(found.value, Span) and not found.value.exact:
                trace.missing.append((name, "partial"))
            return found.value

        return look


def _always(value: Any) -> _Step:
    return lambda trace: value


def _all(steps: list[_Step], decide: Callable[[list[bool | None]], bool | None]) -> _Step:
    return lambda trace: decide([step(trace) for step in steps])


def _settling(step: _Step) -> _Step:
    """What lacked inside no longer matters once the whole is decided."""

    def settle(trace: _Trace) -> Any:
        before = len(trace.missing)
        value = step(trace)
        if value is not None and not (isinstance(value, Span) and not value.exact):
            del trace.missing[before:]
        return value

    return settle


def _known(item: str) -> _Step:
    def ask(trace: _Trace) -> bool:
        found = trace.facts.get(item)
        return found is not None and found.value is not None and not found.stale

    return ask


def _uln(item: str) -> _Step:
    def limit(trace: _Trace) -> Span | None:
        found = trace.facts.get(item)
        if found is None or found.uln is None:
            trace.missing.append((f"{item} ULN", "missing"))
            return None
        limit = number(found.uln)
        trace.read[f"{item} ULN"] = replace(found, value=limit, shown=found.uln_shown or plain(found.uln))
        return limit

    return limit


def _undecided(item: str) -> _Step:
    """Always unknown: what is recorded for the item does not suffice under this reading."""

    def lack(trace: _Trace) -> None:
        trace.missing.append((item, "insufficient"))

    return lack


_SPECIAL: Mapping[str, Callable[[str], _Step]] = {"known": _known, "uln": _uln, "undecided": _undecided}
