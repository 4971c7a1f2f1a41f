"""The statistician's specification: every mistake at once, each under the name of its field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization.rules import reading
from randomization.rules.specification import BadSpecification, Specification, read
from tests.randomization import independent

GOOD = {
    "trial": "NCT06756087",
    "environment": "prod",
    "method": "permuted_blocks",
    "block_sizes": [4, 6],
    "arms": ["RFA_PVP", "RFA_PVP_SBRT"],
    "sites": ["SHGH", "SMU3"],
    "length": 120,
}
BIG_STICK = {**GOOD, "method": "big_stick", "bound": 3, "block_sizes": None}
del BIG_STICK["block_sizes"]


def problems(document):
    with pytest.raises(BadSpecification) as refused:
        read(document)
    return refused.value.problems


def test_a_good_specification_is_read_as_it_stands():
    assert read(GOOD) == Specification(
        "NCT06756087",
        "prod",
        "permuted_blocks",
        (4, 6),
        0,
        ("RFA_PVP", "RFA_PVP_SBRT"),
        ("site=SHGH", "site=SMU3"),
        120,
    )
    assert read(BIG_STICK).bound == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trial", ""),
        ("trial", 6756087),
        ("trial", "NCT\x1fprod"),
        ("environment", None),
        ("environment", "prod\n"),
        ("method", "coin"),
        ("method", ["permuted_blocks"]),
        ("block_sizes", []),
        ("block_sizes", [2, 4]),
        ("block_sizes", [3, 4]),
        ("block_sizes", [4, 4]),
        ("block_sizes", [0]),
        ("block_sizes", [-4]),
        ("block_sizes", [102]),
        ("block_sizes", ["4"]),
        ("block_sizes", 4),
        ("block_sizes", [True, 4]),
        ("bound", 3),  # belongs to the big stick only
        ("arms", ["RFA_PVP"]),
        ("arms", ["A", "B", "C"]),
        ("arms", ["A", "A"]),
        ("arms", ["A", ""]),
        ("arms", "AB"),
        ("sites", []),
        ("sites", ["SHGH", "SHGH"]),
        ("sites", [["SHGH"]]),
        ("sites", ["SHGH\x1f"]),
        ("sites", ["SH=GH"]),
        ("length", 0),
        ("length", 100_001),
        ("length", 12.0),
        ("length", True),
        ("seed", "00"),
    ],
)
def test_a_mistake_is_refused_under_the_name_of_its_field(field, value):
    (problem,) = problems({**GOOD, field: value})
    assert field in problem


@pytest.mark.parametrize("bound", [0, -1, 1, 51, "3", None, 2.5, True])
def test_a_bound_that_bounds_nothing_is_refused(bound):
    (problem,) = problems({**BIG_STICK, "bound": bound})
    assert problem.startswith("bound")


def test_a_big_stick_with_block_sizes_is_refused_for_one_of_them_is_a_mistake():
    (problem,) = problems({**BIG_STICK, "block_sizes": [4]})
    assert problem.startswith("block_sizes")


def test_all_mistakes_are_told_at_once():
    found = problems(
        {"trial": "", "method": "permuted_blocks", "block_sizes": [2], "arms": [], "sites": 3, "colour": 1}
    )
    for field in ("trial", "environment", "block_sizes", "arms", "sites", "length", "colour"):
        assert sum(problem.startswith((field, f"“{field}”")) for problem in found) == 1, field
    assert len(found) == 7


@pytest.mark.parametrize(
    ("numbers", "fields"),
    [
        ({"block_sizes": [2]}, ["block_sizes"]),
        ({"bound": 0, "ratio": [0, 1]}, ["ratio", "bound"]),
        ({"probability": 2, "weights": {"age": 1}}, ["probability", "weights.age"]),
        ({}, []),
    ],
)
def test_a_method_that_nobody_knows_hides_no_mistake_in_its_numbers(numbers, fields):
    bare = {name: value for name, value in GOOD.items() if name != "block_sizes"}
    found = problems({**bare, "method": "permuted blocks", **numbers})
    assert [one.split(":")[0] for one in found] == ["method", *fields]


def test_a_block_of_2_is_told_beside_another_mistake_of_the_sizes():
    found = problems({**GOOD, "block_sizes": [2, 3]})
    assert [one.split(":")[0] for one in found] == ["block_sizes", "block_sizes"]
    assert "a block of 2 gives" in found[1]


def test_the_environment_is_one_that_an_installation_can_be():
    """A list of another could never be installed: told before anybody has drawn a secret for it."""
    for wrong in ("production", "uat", "Prod", None, ["prod"]):
        (told,) = problems({**GOOD, "environment": wrong})
        assert told == f"environment: {wrong!r} found; expected one of demo, training, prod"
    for environment in reading.ENVIRONMENTS:
        assert read({**GOOD, "environment": environment}).environment == environment


def test_an_empty_file_and_a_list_are_refused_and_not_a_crash():
    assert len(problems({})) == 6
    strange: list[object] = [None, [], "trial: x", 7]
    for document in strange:
        assert problems(document)


WORDS = st.text("aB4 \x1f\n\ud800甲", max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | WORDS
ANYTHING = (
    SCALARS | st.lists(SCALARS, max_size=3) | st.lists(st.lists(SCALARS)) | st.dictionaries(WORDS, SCALARS)
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD | {"bound": 0, 7: 0}, ANYTHING)))
def test_hostile_files_are_refused_by_sentences_and_never_crash(changes):
    for document in (changes, {**GOOD, **changes}, {**BIG_STICK, **changes}):
        try:
            specification = read(document)
        except BadSpecification as refused:
            assert refused.problems
        else:
            assert len(specification.arms_of(bytes(32), specification.strata[0])) == specification.length


def test_a_single_block_size_is_warned_about_and_two_are_not():
    assert read({**GOOD, "block_sizes": [4]}).warnings() == [
        "A single block size lets the last allocations of a block be guessed in an unmasked trial."
    ]
    assert not read(GOOD).warnings()
    assert not read(BIG_STICK).warnings()


@pytest.mark.parametrize("document", [GOOD, BIG_STICK, {**GOOD, "trial": "试验"}])
def test_the_frozen_hash_is_the_one_of_the_format_document(document):
    assert read(document).hash() == independent.specification_hash(independent.frozen(document))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trial", "NCT0"),
        ("environment", "demo"),
        ("block_sizes", [6, 4]),
        ("arms", ["RFA_PVP_SBRT", "RFA_PVP"]),
        ("sites", ["SMU3", "SHGH"]),
        ("length", 121),
    ],
)
def test_every_field_belongs_to_what_is_frozen(field, value):
    assert read({**GOOD, field: value}).hash() != read(GOOD).hash()


@given(
    st.binary(min_size=32, max_size=32),
    st.sampled_from(["permuted_blocks", "big_stick", "complete"]),
    st.integers(1, 80),
)
def test_a_second_implementation_draws_the_same_list(seed, method, length):
    document: dict[str, Any] = {name: GOOD[name] for name in ("trial", "environment", "arms", "sites")}
    document |= {"method": method, "length": length}
    numbers: dict[str, dict[str, Any]] = {
        "permuted_blocks": {"block_sizes": [4, 8, 6]},
        "big_stick": {"bound": 2},
    }
    document |= numbers.get(method, {})
    for stratum in ("site=SHGH", "site=SMU3"):
        assert read(document).arms_of(seed, stratum) == independent.drawn_arms(document, seed, stratum)
