"""Every part of every criterion decides something: without it, some row of the table comes out otherwise."""

import ast
import copy
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from tests.eligibility.judging import definition, facts_of, screening
from tests.eligibility.table import SEEN, TABLE, TODAY
from trialsite.demo import casebook
from trialsite.protocol.definition import Criterion
from trialsite.protocol.expression import Observation, compiled, day

LISTS = ("all_in", "any_in")


def live(node: ast.AST, settings: Any) -> Iterator[ast.AST]:
    """`node` and what stands in it, without the branches that a setting rules out."""
    if isinstance(node, ast.IfExp):
        test = compiled(ast.unparse(node.test), settings)
        if not test.references:
            held = test.evaluate({}).value
            yield from live(node.body if held else node.orelse, settings)
            return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from live(child, settings)


def without_each_part(rule: str, settings: Any) -> Iterator[tuple[str, str]]:
    """(what is left out, the rule without it) for each operand of and/or, and each member of a list."""
    whole = ast.parse(rule, mode="eval").body
    for place, node in enumerate(live(whole, settings)):
        parts, first = _parts(node)
        for number in range(first, len(parts) if len(parts) - first > 1 else 0):
            less = copy.deepcopy(whole)
            found = list(live(less, settings))[place]
            left, _first = _parts(found)
            gone = ast.unparse(left.pop(number))
            # An operand that the settings alone decide, and that decides nothing, is not there.
            if not isinstance(node, ast.BoolOp) or compiled(gone, settings).references:
                yield gone, ast.unparse(_Alone().visit(less))


def _parts(node: ast.AST) -> tuple[list[Any], int]:
    """The operands or members of a node, and from which on they may go."""
    if isinstance(node, ast.BoolOp):
        return node.values, 0
    if isinstance(node, ast.List):
        return node.elts, 0
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LISTS:
        return node.args, 1
    return [], 0


class _Alone(ast.NodeTransformer):
    """One operand alone needs no and/or around it."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        return node.values[0] if len(node.values) == 1 else node


# What no form of the screening can say of a surgery that is today.
BESIDE = {
    "I1": ("consent.patient_signed_on", "consent.family_signed_on"),
    "I8": ("attestations.contraception_start",),
}
PROTOCOL = definition()
RECHECK = casebook.recheck(TODAY)


def rows(criterion: Criterion) -> list[dict[str, Observation]]:
    """What the table lets stand otherwise for that criterion, as facts; first an eligible person."""
    forms = [screening(SEEN, **changes) for name, changes, _expected in TABLE if name == criterion.id]
    found = [facts_of(PROTOCOL, one, TODAY) for one in [screening(SEEN), *forms]]
    late = Observation(day(TODAY + dt.timedelta(days=1)))
    found += [{**one, name: late} for one in found for name in BESIDE.get(criterion.id, ())]
    if criterion.recheck_at_randomization:
        answers = [
            RECHECK | {name: not answer} for name, answer in RECHECK.items() if isinstance(answer, bool)
        ]
        found = [facts_of(PROTOCOL, {"recheck": one}, TODAY) for one in [RECHECK, *answers]]
    return found


@pytest.mark.parametrize("criterion", PROTOCOL.criteria, ids=lambda one: one.id)
def test_without_any_part_of_a_rule_a_row_of_the_table_comes_out_otherwise(criterion):
    known = rows(criterion)

    def judged(rule: str) -> list[Any]:
        return [PROTOCOL.rule(rule).evaluate(facts).value for facts in known]

    told = judged(criterion.rule)
    missed = [
        gone for gone, rule in without_each_part(criterion.rule, PROTOCOL.settings) if judged(rule) == told
    ]
    assert missed == []


def test_each_part_is_left_out_in_turn():
    rule = '(a.x or a.y) and a.z in ["p", "q"] and (a.u if setting.on else a.v and a.w)'
    assert [gone for gone, _rule in without_each_part(rule, {"on": True})] == [
        "a.x or a.y", "a.z in ['p', 'q']", "a.u if setting.on else a.v and a.w", "a.x", "a.y", "'p'", "'q'",
    ]  # fmt: skip
