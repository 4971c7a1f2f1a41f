"""Minimisation: the arm from a committed draw and the earlier ledger, over hospital and protocol factors."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization.rules import factors, minimisation
from randomization.rules.factors import Factor, Level
from tests.randomization import independent

NPRS = {
    "name": "nprs",
    "item": "SCR/pain/worst",
    "levels": [{"level": "0-6", "from": 0, "to": 6}, {"level": "7-10", "from": 7, "to": 10}],
}
SPECIFICATION = {
    "trial": "NCT06756087",
    "environment": "demo",
    "method": "minimisation",
    "probability": 0.8,
    "arms": ["RFA_PVP", "RFA_PVP_SBRT"],
    "sites": ["SHGH", "SMU3", "PKUPH"],
    "factors": [NPRS],
    "length": 120,
    "emergency": 2,
}
FACTORS = ("site", "sex", "age")
WEIGHTS = dict.fromkeys(FACTORS, 1)


def test_the_fifteenth_patient_of_lim_and_in_goes_to_control():
    """Lim and In 2019 (PMC6547231), Table 4: site 2, female, ≥ 65: totals control 3, treatment 5."""
    newcomer = {"site": "2", "sex": "female", "age": ">=65"}
    counts = {"site": (3, 3), "sex": (2, 4), "age": (3, 3)}  # control, treatment among those alike
    earlier = [
        ({name: newcomer[name] if name == factor else "other" for name in FACTORS}, arm)
        for factor, pair in counts.items()
        for arm, count in enumerate(pair)
        for _ in range(count)
    ]
    score = minimisation.scores(newcomer, earlier, WEIGHTS, (1, 1))
    assert score == (3, 5)
    assert minimisation.probability_of_first(score, 800, (1, 1)) == Fraction(4, 5)


PATIENTS = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {"site": st.sampled_from("ABC"), "sex": st.sampled_from("fm"), "age": st.just("x")}
        ),
        st.integers(0, 1),
    ),
    max_size=30,
)


@given(
    PATIENTS,
    st.fixed_dictionaries(
        {"site": st.sampled_from("ABC"), "sex": st.sampled_from("fm"), "age": st.just("x")}
    ),
    st.fixed_dictionaries({name: st.integers(1, 5) for name in FACTORS}),
    st.integers(501, 999),
    st.tuples(st.integers(1, 10), st.integers(1, 10)),
    st.binary(min_size=32, max_size=32),
)
def test_a_second_implementation_decides_alike(earlier, newcomer, weights, probability, ratio, draw):
    score = minimisation.scores(newcomer, earlier, weights, ratio)
    chance = minimisation.probability_of_first(score, probability, ratio)
    assert chance == independent.chance_of_first(newcomer, earlier, weights, probability, ratio)
    assert minimisation.arm(draw, chance) == independent.arm_of(draw, chance)
    assert 0 < chance < 1, "no allocation is certain"


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (1, 2), (3, 2), (1, 3)])
def test_unequal_shares_come_out_right_at_every_step(ratio):
    """Without factors that lean, the chance of A averages to its share at every step (Han and others 2009)."""
    states = {(0, 0): Fraction(1)}
    for _ in range(12):
        following: dict[tuple[int, int], Fraction] = {}
        for (first, second), weight in states.items():
            earlier = [({"site": "A"}, 0)] * first + [({"site": "A"}, 1)] * second
            score = minimisation.scores({"site": "A"}, earlier, {"site": 1}, ratio)
            chance = minimisation.probability_of_first(score, 800, ratio)
            for step, part in (((first + 1, second), chance), ((first, second + 1), 1 - chance)):
                following[step] = following.get(step, Fraction(0)) + weight * part
        states = following
    wanted = Fraction(ratio[0], sum(ratio))
    mean = sum(weight * first for (first, _), weight in states.items()) / 12
    assert abs(float(mean - wanted)) < 0.05
    if ratio == (1, 1):
        assert mean == wanted


def test_a_draw_is_a_fraction_below_which_the_first_arm_lies():
    half = Fraction(1, 2)
    assert minimisation.arm(b"\x7f" + b"\xff" * 31, half) == 0
    assert minimisation.arm(b"\x80" + b"\x00" * 31, half) == 1
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            minimisation.arm(wrong, half)


def test_a_value_falls_into_its_level_or_into_none():
    factor = Factor.of(NPRS)
    assert [factor.level_of(Fraction(value)) for value in (0, 6, 7, 10)] == ["0-6", "0-6", "7-10", "7-10"]
    for lost in (Fraction(-1), Fraction(13, 2), Fraction(11), "7", True, None):
        assert factor.level_of(lost) is None
    yes = Factor("f", "SCR", "a", "b", (Level("y", codes=("true",)), Level("n", codes=("false", "2"))))
    assert [yes.level_of(value) for value in (True, False, "true", Fraction(2), "x")] == [
        "y",
        "n",
        "y",
        "n",
        None,
    ]
    assert Factor.of(factor.document()) == factor
    assert Factor.of(yes.document()) == yes
    assert Level.of({"level": "y", "is": [True, 1]}).codes == ("true", "1")


def test_strata_are_named_in_the_order_of_their_factors_and_read_back():
    names = factors.strata(["X", "Y"], [Factor.of(NPRS)])
    assert names == ("nprs=0-6;site=X", "nprs=7-10;site=X", "nprs=0-6;site=Y", "nprs=7-10;site=Y")
    assert factors.levels_of(names[1]) == {"site": "X", "nprs": "7-10"}
    assert factors.levels_of("nprs=a=b=c;site=X") == {"nprs": "a=b=c", "site": "X"}
    for wrong in ("site", "", "a=1;a=2"):
        with pytest.raises(ValueError):
            factors.levels_of(wrong)
    with pytest.raises(ValueError, match="site=X;nprs=1"):
        factors.levels_of("site=X;nprs=1")


def test_a_code_is_kept_as_it_is_written_and_only_truth_values_are_small():
    assert [factors.code(value) for value in ("M", "True", True, False, 1, 2.5)] == [
        "M",
        "True",
        "true",
        "false",
        "1",
        "2.5",
    ]
