"""What the language tells of its result: what was read, compared and missing, and where all that is possible agrees."""

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
    instant,
    number,
    partial_date,
    plain,
    references,
    rounded,
    to_read,
)
from trialsite.protocol.expression import functions as f

SCOPE = Scope(
    {
        "labs.x": "number",
        "labs.y": "number",
        "labs.yes": "boolean",
        "labs.sex": "text",
        "labs.word": "text",
        "labs.at": "instant",
        "t0": "date",
    },
    {"labs.sex": frozenset({"male", "female"})},
    frozenset({"labs.x"}),
    {"most": 3, "on": True, "who": "male"},
)
BELOW_20 = Span(None, Fraction(20), high_open=True)
ABOVE_20 = Span(Fraction(20), None, low_open=True)
NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def outcome(source, derivations=None, **facts):
    """Over `facts` by the name of their item; a number stands for that exact number."""
    seen = {
        f"labs.{name}": fact
        if isinstance(fact, Observation)
        else Observation(
            number(fact) if isinstance(fact, int | Fraction) and not isinstance(fact, bool) else fact
        )
        for name, fact in facts.items()
    }
    return compiled(source, SCOPE.settings, derivations or {}).evaluate(seen)


# What lacks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "facts", "missing"),
    [
        ("labs.x > 3", {}, {"labs.x": "missing"}),
        ("labs.x > 3", {"x": Observation(None)}, {"labs.x": "missing"}),
        ("labs.x > 3", {"x": Observation(number(4), stale=True)}, {"labs.x": "stale"}),
        ("labs.x > 3", {"x": BELOW_20}, {"labs.x": "partial"}),
        ("labs.x > uln(labs.x)", {"x": 4}, {"labs.x ULN": "missing"}),
        ("undecided(labs.x)", {"x": 4}, {"labs.x": "insufficient"}),
        # What is settled inside lacks no more; what came before it still does.
        ("labs.y > 3 and labs.x > 3", {"x": 4}, {"labs.y": "missing"}),
        ("labs.y > 3 or labs.x > 3", {"x": 4}, {}),
        ("(labs.x if labs.yes else labs.y) > labs.z", {"x": 2, "y": 2}, {"labs.z": "missing"}),
        ("(labs.x if labs.yes else labs.y) > 3", {"x": BELOW_20, "yes": True}, {"labs.x": "partial"}),
        # A number that is decided only up to its span is a result all the same.
        ("labs.x", {"x": BELOW_20}, {}),
    ],
)
def test_what_lacks_is_named_with_why_and_only_as_far_as_it_would_decide(source, facts, missing):
    assert outcome(source, **facts).missing == missing


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        (Observation(number(4)), True),
        (Observation(number(4), stale=True), False),
        (Observation(None), False),
        (None, False),
    ],
)
def test_only_a_value_that_has_not_grown_old_is_known(fact, known):
    facts = {"x": fact} if fact else {}
    assert outcome("known(labs.x)", **facts).value is known
    # Asked as the condition of a choice it decides over what is recorded, never over nothing.
    expected = (4 if known else 2) > 3
    assert outcome("(labs.x if known(labs.x) else labs.y) > 3", **facts, y=2).value is expected


@pytest.mark.parametrize(("value", "within"), [("99.9", True), ("100", True), ("100.1", False)])
@pytest.mark.parametrize(("told", "shown"), [("40 U/L (2026-01-01 –)", "40 U/L (2026-01-01 –)"), ("", "40")])
def test_a_multiple_of_the_upper_limit_of_normal_is_exact_and_told_with_the_limit(value, within, told, shown):
    seen = Observation(number(Fraction(value)), uln=Fraction(40), uln_shown=told, source="SCR/labs v1")
    found = outcome("labs.x <= 2.5 * uln(labs.x)", x=seen)
    assert (found.value, found.missing) == (within, {})
    limit = found.read["labs.x ULN"]
    assert (limit.value, limit.shown, limit.source) == (number(40), shown, "SCR/labs v1")


# Which items an expression reads -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "derivations", "read"),
    [
        ("labs.x > 3 and labs.y > 3", {}, {"labs.x", "labs.y"}),
        ("known(labs.x) or labs.y > 3", {}, {"labs.x", "labs.y"}),
        ("labs.y > uln(labs.x)", {}, {"labs.x", "labs.y"}),
        # A branch that a setting rules out is not read; a computed item is read by what it is computed from.
        ("(labs.x if setting.on else labs.y) > 3", {}, {"labs.x"}),
        ("(labs.x if not setting.on else labs.y) > 3", {}, {"labs.y"}),
        ("labs.y > 0 and labs.d > 3", {"labs.d": "labs.x * setting.most"}, {"labs.x", "labs.y"}),
    ],
)
def test_a_compiled_rule_knows_its_items(source, derivations, read):
    made = compiled(source, SCOPE.settings, derivations)
    assert (made.source, made.references) == (source, read)


def test_references_are_what_stands_in_the_source():
    found = references("labs.x > setting.most and (labs.y if labs.yes else 3) > 1 and t0 == t0")
    assert found == {"labs.x", "setting.most", "labs.y", "labs.yes"}


def test_a_computed_item_is_computed_exactly_under_the_settings():
    derived = {"labs.d": "labs.x * setting.most"}
    assert outcome("labs.d > 10", derived, x=Fraction(10, 3)).value is False
    assert outcome("labs.d >= 10", derived, x=Fraction(10, 3)).value is True


# Decided where all that is possible agrees ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "facts", "value"),
    [
        ("(labs.x if labs.yes else labs.y) > 3", {"x": 4, "y": 4}, True),
        ("(labs.x if labs.yes else labs.y) > 3", {"x": 4, "y": 2}, None),
        ("(labs.x if labs.yes else labs.y) > 3", {"x": 4, "y": 2, "yes": False}, False),
        ("labs.x == 20", {"x": ABOVE_20}, False),
        ("labs.x == 5", {"x": BELOW_20}, None),
        ("labs.x != 20", {"x": BELOW_20}, True),
        ("labs.x + 1 > 3", {"x": BELOW_20}, None),
        ("1 + labs.x > 3", {"x": BELOW_20}, None),
    ],
)
def test_a_result_is_decided_where_every_possible_value_agrees(source, facts, value):
    assert outcome(source, **facts).value is value


def test_instants_are_compared_to_the_minute_and_beside_a_date_by_their_day():
    early, late = (instant(NOON + dt.timedelta(minutes=minutes)) for minutes in (0, 1))
    assert outcome("labs.at < labs.till", at=early, till=late).value is True
    assert outcome("labs.at == labs.till", at=early, till=late).value is False
    assert outcome("labs.at == labs.till", at=early, till=day(NOON.date())).value is True
    assert outcome("labs.till < labs.at", at=early, till=day(NOON.date())).value is False
    assert check("days_before(labs.at, 3) <= t0", SCOPE) == "boolean"


def test_values_are_read_as_people_write_them_and_shown_so():
    assert instant(NOON.replace(second=59, microsecond=7)) == day(NOON)
    assert partial_date("2026") == Span(dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert partial_date("2026-02") == Span(dt.date(2026, 2, 1), dt.date(2026, 2, 28))
    for wrong in ("2026-2", "26", "2026-02-3", "20260210", "２０２６", "abcd", "2026-ab"):
        with pytest.raises(ValueError, match=r".") as refused:
            partial_date(wrong)
        assert str(refused.value) == wrong
    assert CubeRoot(Fraction(450**3)).rounded(2) == 450
    assert to_read(day(NOON.date())) == "2026-03-10"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-7", "-7"),
        ("100", "100"),
        ("1/2", "0.5"),
        ("-1/4", "-0.25"),
        ("1/40", "0.025"),
        ("12345/1000", "12.345"),
        ("1/3", "1/3"),
        ("-22/7", "-22/7"),
        ("1/6", "1/6"),
        ("7/50", "0.14"),
    ],
)
def test_an_exact_number_is_written_as_a_decimal_where_it_ends(value, text):
    assert plain(Fraction(value)) == text


@pytest.mark.parametrize(
    ("value", "places", "near"),
    [("0.125", 2, "0.13"), ("-0.125", 2, "-0.13"), ("0.1249", 2, "0.12"), ("2.5", 0, "3"), ("-2.4", 0, "-2")],
)
def test_halves_are_rounded_away_from_zero(value, places, near):
    assert rounded(Fraction(value), places) == Fraction(near)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (number("1.25"), "1.25"),
        (number("1.255"), "≈1.26"),
        (BELOW_20, "< 20"),
        (ABOVE_20, "> 20"),
        (Span(None, Fraction(20)), "≤ 20"),
        (Span(Fraction(20), None), "≥ 20"),
        (Span(Fraction(1, 3), Fraction(2)), "≈0.33 – 2"),
        (Span(CubeRoot(Fraction(91125000)), CubeRoot(Fraction(91125000))), "450"),
        (Span(CubeRoot(Fraction(2)), CubeRoot(Fraction(2))), "≈1.26"),
        (True, "yes"),
        (False, "no"),
        ("male", "male"),
        (partial_date("2026-02"), "2026-02-01 – 2026-02-28"),
    ],
)
def test_a_value_is_shown_with_its_sign_and_marked_where_it_is_rounded(value, text):
    assert to_read(value) == text


def test_roots_are_ordered_exactly_among_themselves_and_beside_numbers():
    small, great = CubeRoot(Fraction(26)), CubeRoot(Fraction(28))
    assert small < 3 * Fraction(1) < great and not great < small and small <= small
    assert CubeRoot(Fraction(27)) == Fraction(3) and CubeRoot(Fraction(27)) != CubeRoot(Fraction(28))
    assert CubeRoot(Fraction(27)) != "3"
    assert hash(CubeRoot(Fraction(27))) == hash(CubeRoot(Fraction(54, 2))) != hash(great)
    assert [CubeRoot(Fraction(cube)).rounded(1) for cube in (1, 7, 9, 1000)] == [
        1,
        Fraction("1.9"),
        Fraction("2.1"),
        10,
    ]


def test_formulas_and_sets_at_their_edges():
    weight, plasma = number(70), number(124)
    assert f.cockcroft_gault(number(140), weight, plasma, "male") == number(0)
    assert f.cockcroft_gault(number(65), weight, number(1), "male") is not None
    ages = Span(Fraction(60), Fraction(65), high_open=True)
    found = f.cockcroft_gault(ages, weight, plasma, "male")
    assert found is not None and (found.low_open, found.high_open) == (True, False)
    assert f.all_in(frozenset({"T5", "L5"}), "T5", "L5")


# What is refused -----------------------------------------------------------------------------------------------

GAULT = "cockcroft_gault(labs.x, labs.x, labs.x, {}) > 50"
SEX = "the last value of “cockcroft_gault” must be one of female, male, and nothing else"


@pytest.mark.parametrize("last", ["labs.sex", '"male"', '"male" if labs.yes else "female"'])
def test_a_formula_takes_the_codes_that_it_knows(last):
    assert check(GAULT.format(last), SCOPE) == "boolean"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        *[
            (GAULT.format(last), SEX)
            for last in ("labs.word", "setting.who", '"other" if labs.yes else "male"', '"male" if labs.yes else "x"')
        ],
        ("not " * 60 + "labs.yes", "is nested more than 40 deep"),
        ('labs.sex == u"male"', "“u\"male\"” is not a value of the language"),
        ("labs.sex in labs.word", 'after “in” comes a list such as ["a", "b"]'),
        ("labs.sex in [labs.sex]", "a list holds plain values only"),
        ("labs.x is labs.y", "only < <= > >= == != and in compare"),
    ],
)  # fmt: skip
def test_a_refusal_says_exactly_what_is_wrong(source, sentence):
    with pytest.raises(BadExpression) as refused:
        check(source, SCOPE)
    assert str(refused.value) == sentence


def test_what_asks_whether_something_is_known_is_no_criterion():
    with pytest.raises(BadExpression) as refused:
        check("known(labs.x)", SCOPE, monotone=True)
    assert str(refused.value) == (
        "a criterion does not ask whether something is known: what lacks is unknown"
    )


def test_thirty_levels_are_not_too_deep():
    assert check("not " * 30 + "labs.yes", SCOPE) == "boolean"


def test_a_finding_shows_a_comparison_that_stayed_open():
    criterion = Criterion("A1", "inclusion", Text("Limit", "限值"), "labs.x < 19", "computed")
    facts = {"labs.x": Observation(BELOW_20, shown="<20")}
    (kept,) = rules.judge([criterion], facts, lambda source: compiled(source, {}, {})).document()["criteria"]
    assert kept["compared"] == [
        {
            "left": "labs.x",
            "sign": "<",
            "right": "19",
            "left_value": "< 20",
            "right_value": "19",
            "held": "unknown",
        }
    ]
    with pytest.raises(ValueError, match=r"^a protocol without criteria judges nobody$"):
        rules.verdict([])


@pytest.mark.parametrize(
    ("left", "right", "told"),
    [
        # Two decimals would hide on which side it lies.
        ("0.599", "0.6", ("0.599", "0.6")),
        ("0.5994", "0.6", ("≈0.599", "0.6")),
        ("55.4871", "50", ("≈55.49", "50")),
        ("450", "450", ("450", "450")),
        ("0.12345", "0.12345", ("≈0.12", "≈0.12")),
    ],
)
def test_what_is_compared_is_told_so_that_its_side_of_the_limit_can_be_seen(left, right, told):
    assert rules.told_apart(number(left), number(right)) == told


def test_a_root_beside_its_limit_is_told_as_closely_as_it_takes():
    just_above = Span(CubeRoot(Fraction(450) ** 3 + 1), CubeRoot(Fraction(450) ** 3 + 1))
    assert rules.told_apart(just_above, number("450")) == ("≈450.000002", "450")
