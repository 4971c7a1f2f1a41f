"""Reading an expression and giving each part its type, before anything is judged by it."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from trialsite.protocol.expression.functions import ARITHMETIC, COMPARE, FUNCTIONS
from trialsite.protocol.expression.values import Type

LONGEST: Final = 2000
DEEPEST: Final = 40
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
# What compares with each other: numbers exactly; an instant and a date by their days.
_COMPARABLE: Final = (frozenset({"number", "root"}), frozenset({"date", "instant"}))


class BadExpression(ValueError):
    """The source is not of the language, does not type-check, or names something unknown; str() says what."""


@dataclass(frozen=True)
class Scope:
    """What an expression may name: the type of each reference, the codes of coded items, the settings."""

    types: Mapping[str, Type]
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    with_uln: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=2000)
def parse(source: str) -> ast.expr:
    """The tree of `source`; raises BadExpression for what is no expression, too long, or too deeply nested."""
    if len(source) > LONGEST:
        raise BadExpression(f"longer than {LONGEST} characters")
    if "\n" in source.strip():
        raise BadExpression("must stand on one line")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression(f"cannot be read: {error}") from error
    _require_shallow(tree)
    return tree


def _require_shallow(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise BadExpression(f"is nested more than {DEEPEST} deep")


def reference(node: ast.expr) -> str | None:
    """The name that `node` is, as `form.item`, or None where it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def written(source: str, node: ast.expr) -> str:
    """What stands in the source for `node`: a number keeps every digit that a float would lose."""
    return ast.get_source_segment(source.strip(), node) or ""


def plain_setting(value: object) -> object:
    """A setting as the language sees it: text that is a number, such as 0.6, is that number."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Number(value)
    return value


class Number(str):
    """A number as it was written, exact."""

    __slots__ = ()


class _Checker:
    """Gives each node its type, or raises BadExpression."""

    def __init__(self, source: str, scope: Scope, *, monotone: bool) -> None:
        self.source, self.scope, self.monotone = source, scope, monotone

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
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                self._expect(left, "number")
                self._expect(right, "number")
                return "number"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._expect(test, "boolean")
                kind = self.type_of(body)
                self._expect(orelse, kind)
                return kind
            case ast.Compare():
                return self._comparison(node)
            case ast.Call():
                return self._call(node)
            case ast.Constant():
                return self._constant(node)
        name = reference(node)
        if name is None:
            raise BadExpression(f"“{ast.unparse(node)}” is not part of the language")
        return self._named(name)

    def _expect(self, node: ast.expr, wanted: Type) -> None:
        found = self.type_of(node)
        if found != wanted and (found, wanted) != ("instant", "date"):
            raise BadExpression(f"“{ast.unparse(node)}” is a {found}, a {wanted} is needed")

    def _constant(self, node: ast.Constant) -> Type:
        text = written(self.source, node)
        if isinstance(node.value, int | float) and _NUMBER.fullmatch(text):
            return "number"
        if isinstance(node.value, str) and text[:1] in "\"'":
            return "text"
        raise BadExpression(f"“{text}” is not a value of the language")

    def _named(self, name: str) -> Type:
        if name in ("true", "false"):
            return "boolean"
        if name.startswith("setting."):
            setting = name.removeprefix("setting.")
            if setting not in self.scope.settings:
                raise BadExpression(f"there is no setting “{setting}”")
            value = plain_setting(self.scope.settings[setting])
            if isinstance(value, bool):
                return "boolean"
            return "text" if isinstance(value, str) and not isinstance(value, Number) else "number"
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
        if type(op) not in COMPARE:
            raise BadExpression("only < <= > >= == != and in compare")
        kind, other = self.type_of(left), self.type_of(right)
        if kind != other and not any({kind, other} <= alike for alike in _COMPARABLE):
            raise BadExpression(f"“{ast.unparse(right)}” is a {other}, a {kind} is needed")
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
        name = reference(node)
        known = self.scope.codes.get(name or "")
        for other in others:
            if known is not None and isinstance(other, ast.Constant) and other.value not in known:
                raise BadExpression(f"“{name}” has no code {other.value!r}")

    def _call(self, node: ast.Call) -> Type:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise BadExpression(f"“{ast.unparse(node)}” is not a call of the language")
        name = node.func.id
        if name in ("known", "uln", "undecided"):
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
        if function.codes and not self._answers(plain[-1]) <= function.codes:
            raise BadExpression(
                f"the last value of “{name}” must be one of {', '.join(sorted(function.codes))}, and nothing else"
            )
        return function.gives

    def _answers(self, node: ast.expr) -> frozenset[object]:
        """Every code that a text can be; one that is no code stands for what nobody knows."""
        if isinstance(node, ast.IfExp):
            return self._answers(node.body) | self._answers(node.orelse)
        if isinstance(node, ast.Constant):
            return frozenset({node.value})
        return self.scope.codes.get(reference(node) or "", frozenset({None}))

    def _special(self, name: str, node: ast.Call) -> Type:
        item = reference(node.args[0]) if len(node.args) == 1 else None
        if item is None or item not in self.scope.types:
            raise BadExpression(f"“{name}” takes one item of a form")
        if name == "known" and self.monotone:
            raise BadExpression("a criterion does not ask whether something is known: what lacks is unknown")
        if name == "uln" and item not in self.scope.with_uln:
            raise BadExpression(f"“{item}” has no upper limit of normal")
        return "number" if name == "uln" else "boolean"


def check(source: str, scope: Scope, *, gives: Sequence[Type] = ("boolean",), monotone: bool = False) -> Type:
    """The type of `source`; raises BadExpression unless it is of the language, type-checks and gives one of `gives`.

    `monotone`: nothing in it may turn over as more becomes known, as criteria demand.
    """
    found = _Checker(source, scope, monotone=monotone).type_of(parse(source))
    if found not in gives:
        raise BadExpression(f"gives a {found}, a {' or '.join(gives)} is needed")
    return found


def references(source: str) -> frozenset[str]:
    """Every `form.item` and `setting.name` that stands in `source`; raises BadExpression where it cannot be read."""
    names = [reference(node) for node in ast.walk(parse(source)) if isinstance(node, ast.Attribute)]
    return frozenset(name for name in names if name)
