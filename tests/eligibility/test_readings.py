"""Where the registry leaves something open, our reading is a setting, and the setting changes the rule."""

import pytest

from tests.eligibility import judging
from tests.eligibility.judging import SEEN, T0, definition, screening, state
from tests.eligibility.table import TABLE
from trialsite.demo import casebook
from trialsite.protocol.expression import Observation, day

PRESSURE = {
    "infection": {"sysbp_1": "150", "sysbp_2": "150"},
    "attestations": {"bp_controlled": True},
}
RECENT = {"transfused": True, "transfused_last": "2026-02-24", "transfused_product": "red_cells"}
RADIATED = {"history": {"prior_rt": True, "prior_rt_last": "2024-06-01"}}
STENT = {"history": {"cardiac_event": "stent", "cardiac_event_last": "2025-11-01"}}
SEROFAST = {"serology": {"syphilis": "positive", "syphilis_serofast": True}}
CONTRACEPTION = {
    "contraception": "committed",
    "contraception_method": "condom",
    "contraception_start": "2026-01-01",
    "contraception_until": "2026-08-01",
}

# (criterion, setting, its other value, what is entered, satisfied as set, satisfied with the other value)
READINGS = [
    ("I1", "family_consent_required", False, {}, None, True),
    ("I3c", "max_affected_vertebrae", 3, {"lesion": {"affected": 3}}, False, True),
    ("I5", "pain_scale", "average", {"pain": {"worst": 5, "average": 3}}, True, False),
    ("I7a-3", "lymphocytes_at_least", "0.8", {"labs": {"lymph": "0.7"}}, True, False),
    ("I7a-4", "transfusion_free_days", 7, {"history": RECENT}, False, True),
    ("I7a-4", "transfusion_counts_from", "sample", {"history": RECENT}, False, False),
    ("I7a-4", "transfusion_products", "platelets", {"history": RECENT}, False, True),
    ("I7a-5", "transfusion_binds_haemoglobin", True, {"history": RECENT}, True, False),
    ("I8", "contraception_months", 4, {"attestations": CONTRACEPTION}, False, True),
    ("I8", "contraception_counts_from", "start", {"attestations": CONTRACEPTION}, False, True),
    ("E1", "target_must_be", "measurable", {"lesion": {"measurable": False}}, True, False),
    ("E3", "radiotherapy_free_months", 12, RADIATED, False, True),
    ("E8", "tuberculosis_free_years", 2, {"infection": {"tb_ever": True, "tb_end": "2024-12-01"}}, True, False),
    ("E9", "treated_serofast_counts", False, SEROFAST, False, True),
    ("E10", "untested_hiv_is_absent", False, {"serology": {"hiv": "not_tested", "hiv_reason": "refused"}}, True, None),
    ("E12c", "cardiac_event_free_months", 3, STENT, False, True),
    ("E13", "untreated_pressure", "excludes", PRESSURE, True, False),
]  # fmt: skip


def test_every_reading_has_its_row():
    wanted = {(one.id, setting) for one in definition().criteria for setting in one.settings}
    assert wanted == {(criterion, setting) for criterion, setting, *_ in READINGS}


@pytest.mark.parametrize(("criterion", "setting", "other", "changes", "before", "after"), READINGS)
def test_another_value_of_the_setting_changes_the_verdict(criterion, setting, other, changes, before, after):
    forms = screening(**changes)
    if criterion == "I1":
        protocol = definition()
        unsigned = judging.facts_of(protocol, forms)
        del unsigned["consent.family_signed_on"]
        found = [
            judging.judge_facts(one, unsigned).findings[0].satisfied
            for one in (protocol, definition(**{setting: other}))
        ]
        assert found == [before, after]
        return
    if setting == "transfusion_counts_from":
        forms["history"]["transfused_last"] = "2026-02-23"
        assert state(forms, criterion) is True, "15 days before surgery"
        before, after = True, False
        forms["labs"]["lbdat"] = "2026-03-09"
    assert state(forms, criterion) is before
    assert state(forms, criterion, **{setting: other}) is after


def test_nothing_known_decides_nothing():
    """A missing answer is never a no."""
    protocol = definition()
    for recheck in (False, True):
        findings = judging.judge_facts(protocol, {}, recheck=recheck).findings
        assert [one.id for one in findings if one.state != "unknown"] == []
        assert all(one.missing for one in findings)


def test_every_criterion_is_reached_in_all_three_states():
    assert {one.satisfied for one in judging.judge(screening()).findings} == {True}
    broken = {criterion for criterion, _changes, expected in TABLE if expected is False}
    asked = {one.id for one in definition().criteria if not one.recheck_at_randomization}
    assert asked - broken == set()
    late = judging.facts_of(definition(), screening())
    late["study.first_procedure_on"] = Observation(day(judging.CONSENT.replace(day=1)))
    assert judging.judge_facts(definition(), late).failing() == ["I1"]


@pytest.mark.parametrize(
    ("item", "answer", "criterion"),
    [
        ("alive", False, "R0"),
        ("consent_stands", False, "R1"),
        ("infection", True, "R2"),
        ("fever", True, "R2"),
        ("new_deficit", True, "R3"),
        ("fit", False, "R4"),
    ],
)
def test_what_is_asked_again_keeps_out_by_each_answer(item, answer, criterion):
    asked = casebook.recheck(T0)
    assert judging.judge({"recheck": asked}, recheck=True).eligible is True
    assert judging.judge({"recheck": {**asked, item: answer}}, recheck=True).failing() == [criterion]


def test_pain_is_never_asked_again():
    protocol = definition()
    again = [one for one in protocol.criteria if one.recheck_at_randomization]
    read = {name for one in again for name in protocol.rule(one.rule).references}
    assert {name.partition(".")[0] for name in read} == {"recheck"}


def test_a_verdict_tells_the_limit_in_numbers():
    forms = screening(
        labs={"creat": {"value": "148", "uln": "80"}, "weight": "60"}, demographics={"brthdat": "1966-03-01"}
    )
    found = next(one for one in judging.judge(forms).findings if one.id == "I7b-3")
    assert found.state == "not_met"
    assert [(one["left_value"], one["sign"], one["right_value"]) for one in found.compared] == [
        ("148", "≤", "120"),
        ("≈39.82", "≥", "50"),
    ]


def test_the_published_values_of_qtcf():
    for qt, rate, expected in (("400", "75", "430.89"), ("430", "68", "448.32"), ("420", "72", "446.32")):
        forms = screening(ecg={"qt": qt, "rate": rate})
        found = next(one for one in judging.judge(forms).findings if one.id == "I7d-2")
        assert found.compared[0]["left_value"] == f"≈{expected}"
    assert SEEN < T0
