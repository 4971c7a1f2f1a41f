"""Mistakes in ratio, minimisation and factors: each with its path and what was expected."""

import json
from fractions import Fraction
from typing import Any

import pytest

from randomization.rules import reading
from randomization.rules.specification import BadSpecification, Specification, read, reread
from tests.randomization.test_minimisation import NPRS, SPECIFICATION

BLOCKS: dict[str, Any] = {name: value for name, value in SPECIFICATION.items() if name != "probability"}
BLOCKS |= {"method": "permuted_blocks", "block_sizes": [6, 9], "ratio": [2, 1]}
FACTOR: dict[str, Any] = dict(NPRS)
CODES: list[dict[str, Any]] = [{"level": "f", "is": ["F"]}, {"level": "m", "is": ["M"]}]


def levels(*found):
    return {"factors": [{**FACTOR, "levels": list(found)}]}


ONE, TWO = FACTOR["levels"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"probability": value}, "probability")
        for value in (0.5, 1, 0.8005, "x", None, True, [1], float("nan"), "1e99999", 0)
    ]
    + [
        ({"bound": 3}, "bound"),
        ({"ratio": [1]}, "ratio"),
        ({"ratio": [0, 1]}, "ratio"),
        ({"ratio": 2}, "ratio"),
        ({"weights": 3}, "weights"),
        ({"weights": {"sex": 1}}, "weights.sex"),
        ({"weights": {"nprs": 0}}, "weights.nprs"),
        ({"emergency": -1}, "emergency"),
        ({"factors": {}}, "factors"),
        ({"factors": ["nprs"]}, "factors[0]"),
        ({"factors": [{**FACTOR, "extra": 1}]}, "factors[0]"),
        ({"factors": [{**FACTOR, "name": "a=b"}]}, "factors[0].name"),
        ({"factors": [FACTOR, FACTOR]}, "factors[1].name"),
        ({"factors": [{**FACTOR, "name": "site"}]}, "factors[0].name"),
        ({"factors": [{**FACTOR, "item": "pain.worst"}]}, "factors[0].item"),
        ({"factors": [{**FACTOR, "item": "SCR//worst"}]}, "factors[0].item"),
        ({"factors": [{**FACTOR, "item": 3}]}, "factors[0].item"),
        ({"factors": [{**FACTOR, "levels": 3}]}, "factors[0].levels"),
        (levels(ONE), "factors[0].levels"),
        (levels(ONE, 3), "factors[0].levels[1]"),
        (levels(ONE, {"level": "b", "from": 7}), "factors[0].levels[1]"),
        (levels(ONE, {**TWO, "level": "0-6"}), "factors[0].levels[1].level"),
        (levels(ONE, {**TWO, "level": ""}), "factors[0].levels[1].level"),
        (levels(ONE, {**TWO, "from": 6}), "factors[0].levels[1]"),
        (levels(ONE, {**TWO, "from": 11}), "factors[0].levels[1]"),
        (levels(ONE, {**TWO, "to": "x"}), "factors[0].levels[1]"),
        (levels(ONE, {**TWO, "to": True}), "factors[0].levels[1]"),
        (levels(ONE, {**TWO, "to": "1e9999"}), "factors[0].levels[1]"),
        (levels(ONE, CODES[0]), "factors[0].levels"),
        (levels({**ONE, "from": False}, TWO), "factors[0].levels[0]"),
        (levels(ONE, {**TWO, "to": 10**9}), "factors[0].levels[1]"),
        (levels({**ONE, "from": -(10**9)}, TWO), "factors[0].levels[0]"),
        (levels(TWO, {**ONE, "to": 7}), "factors[0].levels[1]"),
        (levels(*({"level": str(n), "is": [n]} for n in range(21))), "factors[0].levels"),
        ({"weights": {"nprs": 101}}, "weights.nprs"),
        (levels(CODES[0], {"level": "m", "is": []}), "factors[0].levels[1].is"),
        (levels(CODES[0], {"level": "m", "is": [1.5]}), "factors[0].levels[1].is"),
        (levels(CODES[0], {"level": "m", "is": "M"}), "factors[0].levels[1].is"),
        (levels(CODES[0], {"level": "m", "is": ["F"]}), "factors[0].levels[1].is"),
    ],
)
def test_a_mistake_is_told_under_its_path(changes, path):
    (problem,) = reading.problems({**SPECIFICATION, **changes})
    assert problem.startswith(f"{path}: ")


@pytest.mark.parametrize(
    "changes", [{"block_sizes": [4]}, {"block_sizes": [3, 6]}, {"ratio": [1, 1], "probability": 0.8}]
)
def test_blocks_fit_their_ratio_and_the_smallest_block_is_refused(changes):
    assert reading.problems({**BLOCKS, **changes})
    assert reading.problems(BLOCKS) == []


def test_what_is_read_is_what_stands_there():
    made = read({**SPECIFICATION, "weights": {"nprs": 3}})
    assert (made.probability, made.weights, made.ratio) == (800, (("nprs", 3), ("site", 1)), (1, 1))
    assert made.strata[0] == "nprs=0-6;site=SHGH"
    assert made.factors[0].level_of(Fraction(7)) == "7-10"
    assert Specification.of(made.document()) == made
    assert read({**SPECIFICATION, "probability": "0.75"}).probability == 750
    assert read({**SPECIFICATION, **levels(*CODES)}).factors[0].level_of("M") == "m"
    with pytest.raises(ValueError, match="draws, not arms"):
        made.arms_of(bytes(32), made.strata[0])
    assert len(made.emergency_arms_of(bytes(32), made.strata[0])) == 2


def test_blocks_of_two_to_one_hold_two_to_one():
    made = read({**BLOCKS, "block_sizes": [6]})
    arms = made.arms_of(bytes(32), made.strata[0])
    assert all(arms[at : at + 6].count("RFA_PVP") == 4 for at in range(0, 120, 6))


HALVES = {"from": 0, "to": 6.5}, {"from": "6.6", "to": "1e1"}
PLAIN = {name: SPECIFICATION[name] for name in ("trial", "environment", "arms", "sites", "length")}


@pytest.mark.parametrize(
    "document",
    [
        {**BLOCKS, **levels({**ONE, **HALVES[0]}, {**TWO, **HALVES[1]})},
        {**SPECIFICATION, "weights": {"nprs": 3}, "ratio": [2, 1], "probability": "0.755"},
        {**PLAIN, "method": "big_stick", "bound": 3, **levels(*CODES)},
        {**PLAIN, "method": "complete"},
    ],
    ids=["blocks", "minimisation", "big stick", "complete"],
)
def test_what_was_frozen_is_read_again_as_it_was(document):
    made = read(document)
    assert reread(json.loads(made.text())) == made


FROZEN: dict[str, Any] = read(SPECIFICATION).document()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"probability": 500}, "probability: "),
        ({"probability": "x"}, "It is not what"),
        ({"weights": {"nprs": 0, "site": 1}}, "weights.nprs: "),
        ({"weights": {"nprs": 1}}, "Its strata and numbers"),
        ({"bound": 2}, "Its strata and numbers"),
        ({"block_sizes": [4]}, "Its strata and numbers"),
        ({"strata": FROZEN["strata"][:-1]}, "Its strata and numbers"),
        ({"strata": FROZEN["strata"][::-1]}, "Its strata and numbers"),
        ({"strata": ["nprs=0-6"]}, "It is not what"),
        ({"strata": []}, "sites: "),
        ({"ratio": [1, 0]}, "ratio: "),
        ({"length": 0}, "length: "),
        ({"emergency": -1}, "emergency: "),
        ({"method": "uploaded:00"}, "method: "),
        ({"arms": ["A", "A"]}, "arms: "),
        ({"trial": "a\x1fb"}, "trial: "),
        ({"factors": []}, "weights.nprs: "),
        (
            {"factors": [{**FROZEN["factors"][0], "levels": FROZEN["factors"][0]["levels"][:1]}]},
            "factors[0].levels: ",
        ),
    ],
)
def test_what_was_changed_after_freezing_is_held_against_the_same_rules(changes, problem):
    with pytest.raises(BadSpecification) as refused:
        reread({**FROZEN, **changes})
    assert refused.value.problems[0].startswith(problem), refused.value.problems


@pytest.mark.parametrize("document", [None, [], {}, {**FROZEN, "factors": None}, {**FROZEN, "strata": [1]}])
def test_a_frozen_file_of_another_shape_is_refused_and_no_crash(document):
    with pytest.raises(BadSpecification, match="not what `freeze` wrote"):
        reread(document)


@pytest.mark.parametrize(("text", "wrong"), [("1/2", False), ("20/2", False), ("1/0", True), ("a/b", True)])
def test_a_bound_of_a_level_may_be_a_fraction_as_it_is_frozen(text, wrong):
    cut = levels({**ONE, "from": 0, "to": "0"}, {**TWO, "from": text, "to": 10})
    assert bool(reading.problems({**SPECIFICATION, **cut})) is wrong


def test_what_lies_on_a_bound_is_still_good():
    for good in (
        {"weights": {"nprs": 100}},
        levels({**ONE, "from": 1 - 10**9, "to": 6}, {**TWO, "to": 10**9 - 1}),
        levels(*({"level": str(n), "is": [n]} for n in range(20))),
    ):
        assert reading.problems({**SPECIFICATION, **good}) == []


def test_one_mistake_does_not_hide_the_next():
    found = reading.problems({**SPECIFICATION, **levels(3, {**ONE, "from": 7}, {**TWO, "level": ""})})
    assert [problem.split(": ")[0] for problem in found] == [
        "factors[0].levels[0]",
        "factors[0].levels[1]",
        "factors[0].levels[2].level",
    ]
    found = reading.problems({**SPECIFICATION, "factors": 3, "weights": {"nprs": 1, "sex": 0}})
    assert found == [
        "weights.nprs: there is no such factor; expected site",
        "weights.sex: there is no such factor; expected site",
        "weights.sex: 0 found; expected a whole number from 1 to 100",
        "factors: a list is needed; leave it out to stratify by hospital alone",
    ]
    (problem,) = reading.problems({**SPECIFICATION, "weights": {"sex": 1}})
    assert problem == "weights.sex: there is no such factor; expected nprs, site"
