"""The expression language by itself: what it refuses and in which words; each function on both sides of its edges."""

import datetime as dt
from fractions import Fraction

import pytest

from eligibility import rules
from trialsite.protocol.definition import Criterion, Text
from trialsite.protocol.expression import (
    BadExpression,
    CubeRoot,
    Observation,
    Scope,
    Span,
    check,
    compiled,
    day,
    number,
    partial_date,
)
from trialsite.protocol.expression import functions as f

SCOPE = Scope(
    {
        "labs.x": "number",
        "labs.y": "number",
        "labs.on": "date",
        "labs.yes": "boolean",
        "labs.sex": "text",
        "labs.levels": "set",
        "ecg.root": "root",
        "t0": "date",
    },
    {"labs.sex": frozenset({"male", "female"}), "labs.levels": frozenset({"T5", "L5"})},
    frozenset({"labs.x"}),
    {"most": 3, "least": "0.6", "who": "any", "on": True},
)
DAY = dt.date(2026, 3, 31)

REFUSED = [
    ("labs.sex in []", 'after “in” comes a list such as ["a", "b"]'),
    ("labs.sex in labs.levels", 'after “in” comes a list such as ["a", "b"]'),
    ("labs.sex in [labs.sex]", "a list holds plain values only"),
    ('labs.sex in ["male", 3]', "“3” is a number, a text is needed"),
    ('labs.x in ["male"]', "“'male'” is a text, a number is needed"),
    ('labs.sex in ["male", "other"]', "“labs.sex” has no code 'other'"),
    ('labs.sex not in ["other"]', "“labs.sex” has no code 'other'"),
    ('labs.sex == "other"', "“labs.sex” has no code 'other'"),
    ('"other" == labs.sex', "“labs.sex” has no code 'other'"),
    ('labs.sex < "male"', "a text cannot be compared so"),
    ("labs.yes < labs.yes", "a boolean cannot be compared so"),
    ("labs.levels == labs.levels", "a set cannot be compared so"),
    ("labs.x is labs.y", "only < <= > >= == != and in compare"),
    ("labs.x == labs.on", "“labs.on” is a date, a number is needed"),
    ("labs.on == labs.x", "“labs.x” is a number, a date is needed"),
    ("not labs.x", "“labs.x” is a number, a boolean is needed"),
    ("-labs.yes > 0", "“labs.yes” is a boolean, a number is needed"),
    ("labs.yes and labs.x", "“labs.x” is a number, a boolean is needed"),
    ("labs.x + labs.on > 3", "“labs.on” is a date, a number is needed"),
    ("labs.on + labs.x > 3", "“labs.on” is a date, a number is needed"),
    ("(labs.x if labs.x else labs.y) > 3", "“labs.x” is a number, a boolean is needed"),
    ("(labs.x if labs.yes else labs.on) > 3", "“labs.on” is a date, a number is needed"),
    ("count(labs.levels, labs.levels) > 1", "“count” takes 1 values"),
    ("count() > 1", "“count” takes 1 values"),
    ("age(labs.on) > 1", "“age” takes 2 values"),
    ("age(labs.on, labs.x) > 1", "“labs.x” is a number, a date is needed"),
    ("all_in(labs.levels, labs.x)", "“labs.x” is a number, a text is needed"),
    ('all_in(labs.levels, "T5", "T1")', "“labs.levels” has no code 'T1'"),
    ("size(labs.levels) > 1", "there is no function “size”"),
    ("count(labs.levels, x=1) > 1", "is not a call of the language"),
    ("labs.x.count() > 1", "is not a call of the language"),
    ("known(labs.z)", "“known” takes one item of a form"),
    ("known(3)", "“known” takes one item of a form"),
    ("undecided(labs.x, labs.y)", "“undecided” takes one item of a form"),
    ("uln(labs.y) > 1", "“labs.y” has no upper limit of normal"),
    ("labs.x > setting.none", "there is no setting “none”"),
    ("setting.who == 3", "“3” is a number, a text is needed"),
    ("labs.z > 1", "there is no item “labs.z”"),
    ("other > 1", "there is no item “other”"),
    ("labs.x > 1e3", "“1e3” is not a value of the language"),
    ("labs.x > None", "“None” is not a value of the language"),
    ('labs.sex == f"male"', "is not part of the language"),
    ("labs.x", "gives a number, a boolean is needed"),
    ("labs.x >\n3", "must stand on one line"),
    ("labs.x > ", "cannot be read"),
    ("labs.x > 3" + " " * 2000, "longer than"),
]


@pytest.mark.parametrize(("source", "words"), REFUSED)
def test_what_is_not_of_the_language_is_refused_in_words_that_name_it(source, words):
    with pytest.raises(BadExpression) as refused:
        check(source, SCOPE)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        'labs.sex in ["male", "female"]',
        'labs.sex not in ["male"]',
        "labs.x in [1, 2]",
        "ecg.root <= 450",
        "450 >= ecg.root",
        "1 <= labs.x < labs.y != 3",
        "labs.on <= t0",
        'any_in(labs.levels, "T5") or all_in(labs.levels, "T5", "L5")',
        "labs.x <= 2.5 * uln(labs.x) and not undecided(labs.x)",
        "labs.x > setting.most and labs.x > setting.least and setting.on",
        'setting.who == "any"',
        "labs.yes == true and labs.yes != false",
        "(labs.x if labs.yes else -labs.y) > 3 - 1 / 2",
    ],
)
def test_what_is_of_the_language_gives_a_truth(source):
    assert check(source, SCOPE) == "boolean"
    assert check(f"not ({source})", SCOPE, monotone=True) == "boolean"


def test_a_criterion_may_not_turn_over_as_more_becomes_known():
    assert check("known(labs.x)", SCOPE) == "boolean"
    with pytest.raises(BadExpression, match="what lacks is unknown"):
        check("known(labs.x)", SCOPE, monotone=True)


def test_what_an_expression_gives_is_what_was_asked_for():
    assert check("labs.x + 1", SCOPE, gives=("number", "root")) == "number"
    with pytest.raises(BadExpression, match="gives a boolean, a number or root is needed"):
        check("labs.yes", SCOPE, gives=("number", "root"))


def value(source, **facts):
    names = {f"labs.{name}": Observation(one) for name, one in facts.items()}
    return compiled(source, SCOPE.settings, {}).evaluate(names).value


@pytest.mark.parametrize(
    ("source", "x", "wanted"),
    [
        ("labs.x < 3", "2.999", True),
        ("labs.x < 3", "3", False),
        ("labs.x <= 3", "3", True),
        ("labs.x <= 3", "3.001", False),
        ("labs.x > 3", "3", False),
        ("labs.x >= 3", "3", True),
        ("labs.x == 3", "3.0", True),
        ("labs.x != 3", "3.0", False),
        ("1 < labs.x < 3", "1", False),
        ("1 < labs.x < 3", "2", True),
        ("labs.x in [1, 2]", "2", True),
        ("labs.x not in [1, 2]", "2", False),
        ("labs.x > setting.least", "0.6", False),
        ("labs.x >= setting.least", "0.6", True),
        ("labs.x * 2 - 1 == 5 / 1", "3", True),
        ("-labs.x < 0", "1", True),
        ("1 / (labs.x - 3) > 0", "3", None),
        ("labs.x > 3 or labs.y > 3", "2", None),
        ("labs.x > 3 or labs.y > 3", "4", True),
        ("labs.x > 3 and labs.y > 3", "2", False),
        ("labs.x > 3 and labs.y > 3", "4", None),
        ("not labs.y > 3", "4", None),
    ],
)
def test_both_sides_of_each_comparison_and_what_lacks_is_unknown(source, x, wanted):
    assert value(source, x=number(Fraction(x))) is wanted


def test_a_choice_stays_open_though_its_test_names_only_what_was_read_before():
    source = "labs.x > 1 and (labs.y > 1 if known(labs.x) else labs.z > 1)"
    x, y, z = number(2), number(2), number(0)
    assert value(source, x=x, y=y, z=z) is True
    again = "labs.x > 1 and (labs.y if labs.x > 3 else labs.z) > 1"
    assert value(again, x=x, y=number(0), z=y) is True
    assert value(again, x=number(4), y=y, z=z) is True


BELOW_20 = Span(None, Fraction(20), high_open=True)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("labs.x < 20", True),
        ("labs.x < 19", None),
        ("labs.x >= 20", False),
        ("labs.x == 20", False),
        ("labs.x > 19", None),
    ],
)
def test_a_number_below_a_limit_decides_where_all_of_it_agrees(source, wanted):
    assert value(source, x=BELOW_20) is wanted


def test_calendar_steps_clamp_to_the_end_of_the_month_and_take_whole_numbers_only():
    one = number(1)
    assert f.months_before(day(DAY), one) == day(dt.date(2026, 2, 28))
    assert f.months_after(day(DAY), one) == day(dt.date(2026, 4, 30))
    assert f.days_before(day(DAY), one) == day(dt.date(2026, 3, 30))
    assert f.years_before(day(dt.date(2024, 2, 29)), one) == day(dt.date(2023, 2, 28))
    assert f.months_after(day(dt.date(2026, 12, 1)), one) == day(dt.date(2027, 1, 1))
    assert f.months_before(day(dt.date(2026, 1, 1)), one) == day(dt.date(2025, 12, 1))
    assert f.days_before(day(DAY), number(Fraction(1, 2))) is None
    assert f.days_before(day(DAY), BELOW_20) is None
    assert f.years_before(day(DAY), number(9999)) is None
    assert f.days_before(partial_date("2026-02"), one) == Span(dt.date(2026, 1, 31), dt.date(2026, 2, 27))


def test_age_is_complete_on_the_birthday_and_a_span_where_a_date_is_partial():
    birth = day(dt.date(2008, 3, 31))
    assert f.age(birth, day(dt.date(2026, 3, 30))) == number(17)
    assert f.age(birth, day(DAY)) == number(18)
    assert f.age(partial_date("2008"), day(DAY)) == Span(Fraction(17), Fraction(18))


def test_clearance_follows_cockcroft_and_gault_exactly():
    given = number(65), number(70), number(124)
    exact = Fraction(75 * 70) * Fraction("88.4") / (72 * 124)
    assert f.cockcroft_gault(*given, "male") == number(exact)
    assert f.cockcroft_gault(*given, "female") == number(exact * Fraction("0.85"))
    assert f.cockcroft_gault(number(65), number(70), number(0), "male") is None
    # Of spans both ends: below 20 µmol/L the clearance lies above that at 20; two ages give two ends.
    above = f.cockcroft_gault(number(65), number(70), BELOW_20, "male")
    assert above == Span(Fraction(7735, 24), None, low_open=True)
    two_ages = f.cockcroft_gault(Span(Fraction(65), Fraction(66)), *given[1:], "male")
    assert two_ages == Span(exact * 74 / 75, exact)
    assert f.cockcroft_gault(number(141), number(70), number(124), "male") is None
    light = f.cockcroft_gault(number(65), BELOW_20, number(124), "male")
    assert light == Span(None, exact * 20 / 70, high_open=True)
    assert f.cockcroft_gault(number(65), Span(None, None), number(124), "male") is None


def test_qtcf_is_an_exact_root():
    assert f.qtcf(number(400), number(60)) == Span(CubeRoot(Fraction(400**3)), CubeRoot(Fraction(400**3)))
    assert f.qtcf(number(400), BELOW_20) is None
    assert f.qtcf(BELOW_20, number(60)) is None


def test_sets_of_codes():
    assert f.count(frozenset({"T5", "L5"})) == number(2)
    assert f.all_in(frozenset({"T5"}), "T5", "L5")
    assert not f.all_in(frozenset(), "T5")
    assert not f.all_in(frozenset({"T5", "T1"}), "T5")
    assert f.any_in(frozenset({"T5", "T1"}), "T1")
    assert not f.any_in(frozenset({"T5"}), "T1")


CRITERION = Criterion("A1", "inclusion", Text("Limit", "限值"), "labs.x <= 3", "computed")


@pytest.mark.parametrize(
    ("kind", "x", "state", "satisfied", "eligible"),
    [
        ("inclusion", "3", "met", True, True),
        ("inclusion", "4", "not_met", False, False),
        ("inclusion", None, "unknown", None, None),
        ("exclusion", "3", "met", False, False),
        ("exclusion", "4", "not_met", True, True),
        ("exclusion", None, "unknown", None, None),
    ],
)
def test_a_finding_says_whether_its_criterion_lets_the_person_in(kind, x, state, satisfied, eligible):
    criterion = Criterion("A1", kind, CRITERION.title, CRITERION.rule, "computed")
    facts = {} if x is None else {"labs.x": Observation(number(Fraction(x)), shown=x, source="SCR/labs v1")}
    verdict = rules.judge([criterion], facts, lambda source: compiled(source, {}, {}))
    (finding,) = verdict.findings
    assert (finding.id, finding.kind, finding.state, finding.satisfied) == ("A1", kind, state, satisfied)
    assert verdict.eligible is eligible
    assert verdict.failing() == (["A1"] if satisfied is False else [])
    assert verdict.unknown() == (["A1"] if satisfied is None else [])
    (kept,) = verdict.document()["criteria"]
    assert verdict.document()["eligible"] is eligible
    assert (kept["id"], kept["kind"], kept["state"]) == ("A1", kind, state)
    assert kept["missing"] == ({"labs.x": "missing"} if x is None else {})
    assert kept["sources"] == ({} if x is None else {"labs.x": "SCR/labs v1"})
    assert kept["inputs"] == ({} if x is None else {"labs.x": x})
    if x is not None:
        held = "yes" if state == "met" else "no"
        assert kept["compared"] == [
            {"left": "labs.x", "sign": "≤", "right": "3", "left_value": x, "right_value": "3", "held": held}
        ]


def test_a_protocol_without_criteria_judges_nobody():
    with pytest.raises(ValueError, match="judges nobody"):
        rules.verdict([])
