"""Scores against hand-worked and published examples, with the rule for missing answers of each instrument."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialsite.casebook.scores import Score, scores_of
from trialsite.casebook.scores.response import Moment, Thresholds, pain_response
from trialsite.casebook.scores.scales import Scale, at_least_half, score
from trialsite.casebook.scores.sins import location

F = Fraction


def numbers(*values, prefix="q", first=1):
    """Answers q1, q2, … from plain numbers; None leaves one out."""
    return {
        f"{prefix}{place}": None if value is None else F(value)
        for place, value in enumerate(values, start=first)
    }


# Means and shares ----------------------------------------------------------------------------------------------

SEVERITY = Scale("severity", ("q1", "q2", "q3", "q4"), "mean", 10, 4)
INTERFERENCE = Scale("interference", tuple(f"q{n}" for n in range(1, 8)), "mean", 10, 4)
ODI = Scale("odi", tuple(f"q{n}" for n in range(1, 11)), "share", 5, 1)


def test_pain_severity_is_the_mean_of_all_four():
    assert score(SEVERITY, numbers(8, 3, 5, 7)) == Score("severity", F(23, 4))


def test_pain_severity_needs_all_four():
    assert score(SEVERITY, numbers(8, 3, None, 7)) == Score("severity", None, "too_few_answers")


def test_interference_is_the_mean_of_the_answered_if_more_than_half_are():
    assert score(INTERFERENCE, numbers(4, None, 6, None, 5, None, 9)).value == 6
    assert score(INTERFERENCE, numbers(4, None, 6, None, 5, None, None)).value is None


@pytest.mark.parametrize(
    ("answers", "percent"),
    [
        ((0,) * 10, 0),
        ((5,) * 10, 100),
        # 16 of 50 points, the worked example of the instrument's authors
        ((1, 2, 2, 1, 2, 1, 2, 1, 2, 2), 32),
        # the same 16 points with one section left out: 16 of 45
        ((1, 2, 2, 1, 2, None, 2, 2, 2, 2), F(1600, 45)),
    ],
)
def test_disability_is_a_share_of_what_was_answered(answers, percent):
    assert score(ODI, numbers(*answers)).value == percent


def test_no_answer_at_all_is_no_score():
    assert score(ODI, {}) == Score("odi", None, "too_few_answers")


# EORTC ---------------------------------------------------------------------------------------------------------

PHYSICAL = Scale("PF2", ("q1", "q2", "q3", "q4", "q5"), "function", 3, 3, 1)
FATIGUE = Scale("FA", ("q10", "q12", "q18"), "symptom", 3, 2, 1)
GLOBAL = Scale("QL2", ("q29", "q30"), "symptom", 6, 1, 1)


@pytest.mark.parametrize(
    ("answers", "value"),
    [
        ((1, 1, 1, 1, 1), 100),
        ((4, 4, 4, 4, 4), 0),
        ((2, 1, 1, 1, 1), F(280, 3)),
        ((1, 2, None, 2, None), F(700, 9)),
    ],
)
def test_a_functional_scale_falls_with_trouble(answers, value):
    assert score(PHYSICAL, numbers(*answers)).value == value


def test_half_of_the_items_are_enough_and_fewer_are_not():
    assert score(PHYSICAL, numbers(1, 1, 1, None, None)).value == 100
    assert score(PHYSICAL, numbers(1, 1, None, None, None)).reason == "too_few_answers"
    assert [at_least_half(["q"] * n) for n in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]


def test_symptoms_and_global_health_rise_with_the_answers():
    assert score(FATIGUE, {"q10": F(2), "q12": F(3), "q18": F(2)}).value == F(400, 9)
    assert score(GLOBAL, {"q29": F(5), "q30": F(6)}).value == 75
    assert score(GLOBAL, {"q29": F(7), "q30": None}).value == 100


def test_a_reversed_item_is_mirrored_before_it_counts():
    plain = Scale("s", ("q1", "q2"), "symptom", 3, 1, 1)
    turned = Scale("s", ("q1", "q2"), "symptom", 3, 1, 1, ("q2",))
    assert score(turned, numbers(2, 4)).value == score(plain, numbers(2, 1)).value


@given(st.lists(st.integers(1, 4) | st.none(), min_size=5, max_size=5))
def test_every_scale_stays_between_0_and_100(answers):
    found = score(PHYSICAL, numbers(*answers))
    assert (found.value is None) == (sum(one is not None for one in answers) < 3)
    assert found.value is None or (isinstance(found.value, Fraction) and 0 <= found.value <= 100)


# EQ-5D-5L ------------------------------------------------------------------------------------------------------

DIMENSIONS = ["mo", "sc", "ua", "pd", "ad"]
# Invented: no national set is shipped.
INVENTED = {"constant": ["1"]} | {name: ["0", "0.05", "0.1", "0.2", "0.4"] for name in DIMENSIONS}


def test_the_profile_is_the_five_levels_in_order():
    answers = dict(zip(DIMENSIONS, map(F, (2, 1, 1, 4, 3)), strict=True))
    rule = {"algorithm": "eq5d", "items": DIMENSIONS, "value_set": INVENTED}
    assert scores_of(rule, answers) == [Score("profile", "21143"), Score("index", F("0.65"))]


def test_no_profile_and_no_index_with_a_missing_or_impossible_level():
    for level in (None, F(6), F(0), F("1.5")):
        answers = dict.fromkeys(DIMENSIONS, F(1)) | {"pd": level}
        found = scores_of({"algorithm": "eq5d", "items": DIMENSIONS, "value_set": INVENTED}, answers)
        assert [(one.value, one.reason) for one in found] == [(None, "missing_answer")] * 2


def test_without_a_value_set_there_is_no_index():
    found = scores_of({"algorithm": "eq5d", "items": DIMENSIONS}, dict.fromkeys(DIMENSIONS, F(1)))
    assert found == [Score("profile", "11111")]


# SINS ----------------------------------------------------------------------------------------------------------

ROLES = {name: name for name in ("level", "pain", "lesion", "alignment", "collapse", "posterolateral")}
WORST = {
    "level": "T12",
    "pain": "mechanical",
    "lesion": "lytic",
    "alignment": "subluxation",
    "collapse": "above_50",
    "posterolateral": "bilateral",
}
BEST = {
    "level": "S2",
    "pain": "none",
    "lesion": "blastic",
    "alignment": "normal",
    "collapse": "none",
    "posterolateral": "none",
}


@pytest.mark.parametrize(
    ("changes", "total", "stability"),
    [
        (WORST, 18, "unstable"),
        (BEST, 0, "stable"),
        (BEST | {"level": "L1", "pain": "mechanical"}, 6, "stable"),
        (BEST | {"level": "L1", "pain": "mechanical", "lesion": "mixed"}, 7, "potentially_unstable"),
        (WORST | {"alignment": "normal", "collapse": "body_above_50"}, 12, "potentially_unstable"),
        (WORST | {"alignment": "normal", "collapse": "up_to_50"}, 13, "unstable"),
    ],
)
def test_spinal_instability_on_both_sides_of_each_class(changes, total, stability):
    assert scores_of({"algorithm": "sins", "roles": ROLES}, changes) == [
        Score("total", F(total)),
        Score("class", stability),
    ]


def test_every_level_of_the_spine_has_its_place():
    levels = [*(f"C{n}" for n in range(8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6))]
    assert [location(level) for level in levels] == [3, 3, 3, 2, 2, 2, 2, 3] + [3, 3] + [1] * 8 + [3, 3] + [
        3,
        2,
        2,
        2,
        3,
    ]
    assert [location(level) for level in ("S1", "S2", "S5", "T13", "")] == [3, 0, 0, None, None]


@pytest.mark.parametrize("part", list(ROLES))
def test_instability_is_open_while_a_part_is_missing(part):
    found = scores_of({"algorithm": "sins", "roles": ROLES}, WORST | {part: None})
    assert [(one.value, one.reason) for one in found] == [(None, "missing_answer")] * 2


# Opioids -------------------------------------------------------------------------------------------------------

OPIOIDS = {
    "algorithm": "opioids",
    "roles": {"drug": "drug", "dose": "dose", "taken": "taken", "manual": "manual"},
    "factors": {"oxycodone": "1.5", "fentanyl_patch": "2.4", "tramadol": "0.2", "hydromorphone": 5},
}


@pytest.mark.parametrize(
    ("answers", "omed"),
    [
        ({"taken": True, "drug": "oxycodone", "dose": F(40)}, 60),
        ({"taken": True, "drug": "fentanyl_patch", "dose": F(25)}, 60),
        ({"taken": True, "drug": "tramadol", "dose": F(100)}, 20),
        ({"taken": True, "drug": "hydromorphone", "dose": F("7.5")}, F("37.5")),
        ({"taken": False}, 0),
        ({"taken": True, "drug": "other", "dose": F(10), "manual": F(18)}, 18),
    ],
)
def test_a_day_of_opioids_as_oral_morphine(answers, omed):
    assert scores_of(OPIOIDS, answers) == [Score("omed", F(omed))]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"taken": True, "drug": "other", "dose": F(10)}, "not_in_table"),
        ({"taken": True, "drug": "oxycodone"}, "missing_answer"),
        ({"taken": True}, "missing_answer"),
        ({}, "missing_answer"),
    ],
)
def test_an_unknown_drug_or_dose_is_never_guessed(answers, reason):
    assert scores_of(OPIOIDS, answers) == [Score("omed", None, reason)]


# Response of pain ----------------------------------------------------------------------------------------------


def moment(pain, omed):
    return Moment(None if pain is None else F(pain), None if omed is None else F(omed))


@pytest.mark.parametrize(
    ("before", "now", "response"),
    [
        ((7, 60), (0, 60), "complete"),
        ((7, 60), (0, 0), "complete"),
        ((7, 0), (0, 0), "complete"),
        ((7, 60), (0, 61), "indeterminate"),
        ((7, 60), (5, 60), "partial"),
        ((7, 60), (5, "60.5"), "indeterminate"),
        ((7, 60), (6, 60), "indeterminate"),
        ((7, 60), (7, 45), "partial"),
        ((7, 60), (7, "45.1"), "indeterminate"),
        ((7, 60), (8, 45), "indeterminate"),
        ((7, 60), (9, 45), "indeterminate"),
        ((7, 60), (9, "45.1"), "progression"),
        ((7, 60), (9, 60), "progression"),
        ((7, 60), (8, 60), "indeterminate"),
        ((7, 60), (7, 75), "progression"),
        ((7, 60), (7, "74.9"), "indeterminate"),
        ((7, 60), (9, 90), "progression"),
        ((7, 60), (6, 75), "progression"),
        ((7, 60), (5, 75), "indeterminate"),
        ((7, 0), (7, 1), "progression"),
        ((7, 0), (5, 1), "indeterminate"),
        ((7, 0), (5, 0), "partial"),
        ((None, 0), (5, 0), "not_evaluable"),
        ((7, None), (5, 0), "not_evaluable"),
        ((7, 0), (None, 0), "not_evaluable"),
        ((7, 0), (5, None), "not_evaluable"),
    ],
)
def test_the_response_on_both_sides_of_each_threshold(before, now, response):
    assert pain_response(moment(*before), moment(*now)) == response


def test_thresholds_are_settings():
    strict = Thresholds(pain=F(3), analgesics=F(1, 2))
    assert pain_response(moment(7, 60), moment(5, 60), strict) == "indeterminate"
    assert pain_response(moment(7, 60), moment(4, 60), strict) == "partial"
    assert pain_response(moment(7, 60), moment(7, 45), strict) == "indeterminate"


moments = st.builds(Moment, st.integers(0, 10).map(F), st.integers(0, 400).map(F))
GOOD = ("complete", "partial")


@given(moments, moments, st.integers(0, 10))
def test_less_pain_never_makes_a_response_worse(before, now, less):
    """Monotone: from a good response, less pain at the same dose stays a good response."""
    if pain_response(before, now) in GOOD:
        assert pain_response(before, Moment(max(now.pain - less, F(0)), now.omed)) in GOOD


@given(moments, moments, st.integers(0, 400))
def test_more_analgesics_never_turn_into_a_response(before, now, more):
    if pain_response(before, now) not in GOOD:
        assert pain_response(before, Moment(now.pain, now.omed + more)) not in GOOD
