"""Properties that hold for whatever is entered."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.eligibility import judging
from tests.eligibility.judging import definition, facts_of, judge_facts, screening
from trialsite.casebook.rules import entered, read_values
from trialsite.protocol.expression import CubeRoot, Span, number, plain, rounded

BETTER = {
    "labs.wbc": +1, "labs.anc": +1, "labs.lymph": +1, "labs.plt": +1, "labs.hgb": +1, "labs.bili": -1,
    "labs.ast": -1, "labs.alt": -1, "labs.creat": -1, "labs.inr": -1, "labs.aptt": -1, "echo.lvef": +1,
    "ecg.qt": -1, "ecg.rate": -1, "performance.ecog": -1, "pain.worst": +1, "infection.temp": -1,
    "infection.sysbp_1": -1, "infection.diabp_2": -1, "labs.weight": +1,
}  # fmt: skip
RANK = {False: 0, None: 1, True: 2}
EXACT = st.fractions(min_value=0, max_value=1000, max_denominator=1000)


@given(st.sampled_from(sorted(BETTER)), EXACT, EXACT)
@settings(max_examples=120, deadline=None)
def test_a_better_value_never_turns_eligible_into_ineligible(name, one, other):
    protocol = definition()
    facts = facts_of(protocol, screening(labs={"creat": {"value": "130", "uln": "80"}}))
    worse, better = sorted((one, other), reverse=BETTER[name] < 0)
    found = []
    for value in (worse, better):
        changed = {**facts, name: replace(facts[name], value=number(value))}
        found.append({one.id: RANK[one.satisfied] for one in judge_facts(protocol, changed).findings})
    assert all(found[0][criterion] <= found[1][criterion] for criterion in found[0])


@given(st.sampled_from(["bili", "ast", "alt", "creat", "inr", "aptt"]), EXACT, EXACT, EXACT)
@settings(max_examples=120, deadline=None)
def test_a_lower_limit_of_normal_never_turns_ineligible_into_eligible(name, value, one, other):
    protocol = definition()
    facts = facts_of(protocol, screening(labs={"weight": "40"}))
    found = []
    for uln in sorted((one, other)):
        changed = {**facts, f"labs.{name}": replace(facts[f"labs.{name}"], value=number(value), uln=uln)}
        found.append({one.id: RANK[one.satisfied] for one in judge_facts(protocol, changed).findings})
    assert all(found[0][criterion] <= found[1][criterion] for criterion in found[0])


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_adding_knowledge_never_changes_a_decided_criterion(data):
    protocol = definition()
    flags = {"history": {"brain": "known", "brain_silent": False, "brain_treated": True, "brain_stable": "2"}}
    forms = screening(
        **data.draw(st.sampled_from([{}, flags, {"serology": {"hcv": "positive", "hcv_rna": "<20"}}]))
    )
    full = facts_of(protocol, forms)
    names = sorted(full)
    hidden = data.draw(st.sets(st.sampled_from(names)))
    stale = data.draw(st.sets(st.sampled_from(names)))
    vague = data.draw(st.sets(st.sampled_from(names)))
    less = {}
    for name, fact in full.items():
        if name in hidden:
            continue
        value = fact.value
        if name in vague and isinstance(value, Span) and isinstance(value.low, Fraction):
            value = (
                Span(value.low - 1, value.high + 1) if data.draw(st.booleans()) else Span(None, value.high)
            )
        less[name] = replace(fact, value=value, stale=name in stale)
    before = {one.id: one.state for one in judge_facts(protocol, less).findings}
    after = {one.id: one.state for one in judge_facts(protocol, full).findings}
    assert {key: state for key, state in before.items() if state not in ("unknown", after[key])} == {}


UNITS = [
    (form.code, item.name, unit)
    for form in definition().forms
    for item in form.items.values()
    for unit in item.accepted_units
    if item.type == "decimal" and not item.derive
]


@pytest.mark.parametrize(("form", "item", "unit"), UNITS)
def test_units_round_trip(form, item, unit):
    described = definition().form(form)
    target = described.items[item]
    low, high = (target.hard.low or 0, target.hard.high or 2) if target.hard else (1, 2)
    middle = Fraction(int(Fraction(low + high) / 2) or 1)
    factor = target.accepted_units[unit]
    given_in_unit = rounded(middle / factor, 6)
    reading = read_values(
        described, {item: {"value": plain(given_in_unit), "unit": unit}}, now=judging.NOW, complete=False
    )
    assert reading.faults == {}
    stored = reading.data[item]
    assert Fraction(stored["si"]) == given_in_unit * factor
    assert Fraction(stored["si"]) / factor == Fraction(stored["value"])
    again = read_values(described, entered(reading.data, described), now=judging.NOW, complete=False)
    assert again.data == reading.data


@given(st.fractions(max_denominator=10**6))
def test_exact_numbers_are_written_without_loss(value):
    assert Fraction(plain(value)) == value
    assert abs(rounded(value, 2) - value) <= Fraction(1, 200)


@given(st.fractions(min_value=1, max_value=800), st.fractions(min_value=0, max_value=800))
def test_a_root_is_compared_exactly(cubed, other):
    root = CubeRoot(cubed)
    assert (root < other) == (cubed < other**3)
    assert (root == other) == (cubed == other**3)
    assert (other >= root) == (other**3 >= cubed)
    near = root.rounded(2)
    assert (near - Fraction(1, 200)) ** 3 <= cubed <= (near + Fraction(1, 200)) ** 3
