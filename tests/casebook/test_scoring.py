"""Scores stand beside their records: computed on save, mended when the record is, against both baselines."""

import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.models import Score
from trialsite.casebook.services import save_record
from trialsite.core import clock


@pytest.fixture
def consented(data, coordinator, investigator, site_a):
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def enter(coordinator, consented):
    def save(event, form, values, **more):
        return save_record(
            actor=coordinator, participant=consented, event=event, form=form, values=values, **more
        )

    return save


@pytest.fixture
def scores(coordinator):
    def read(instrument):
        with acting(coordinator):
            rows = Score.objects.visible_to(coordinator).filter(instrument=instrument)
            return {(row.event, row.repeat, row.name): row.value or row.reason for row in rows}

    return read


TODAY = clock.today("Asia/Shanghai").isoformat()
QUESTIONNAIRE = {"c30dat": TODAY} | {f"q{number}": 1 for number in range(1, 29)} | {"q29": 7, "q30": 7}


def test_a_questionnaire_is_scored_as_it_is_saved(enter, scores):
    enter("BL", "qlq_c30", QUESTIONNAIRE)
    found = scores("qlq_c30")
    assert found["BL", 1, "PF2"] == "100"
    assert found["BL", 1, "FA"] == "0"
    assert found["BL", 1, "QL2"] == "100"
    assert len(found) == 15


def test_an_item_left_out_with_a_reason_counts_as_not_answered(enter, scores):
    enter("BL", "qlq_c30", QUESTIONNAIRE | {"q8": {"missing": "refused"}, "q1": {"missing": "refused"}})
    found = scores("qlq_c30")
    assert (found["BL", 1, "DY"], found["BL", 1, "PF2"]) == ("too_few_answers", "100")


def test_a_corrected_answer_corrects_the_score(enter, scores, coordinator):
    first = enter("BL", "qlq_c30", QUESTIONNAIRE)
    enter("BL", "qlq_c30", QUESTIONNAIRE | {"q8": 4}, expected_version=first.record.version, reason="misread")
    assert scores("qlq_c30")["BL", 1, "DY"] == "100"
    with acting(coordinator):
        row = Score.objects.get(instrument="qlq_c30", name="DY")
    assert row.inputs["q8"] == "4"


def test_a_draft_is_not_scored(enter, scores):
    enter("BL", "qlq_c30", {"c30dat": TODAY, "q29": 7, "q30": 7}, complete=False)
    assert set(scores("qlq_c30").values()) == {"too_few_answers"}


def opioid(drug="oxycodone", dose="20"):
    return {"opidat": TODAY, "taken": True, "drug": drug, "dose": dose}


def pain(worst):
    return {"paindat": TODAY, "worst": worst, "average": min(worst, 2)}


def test_the_response_of_pain_is_judged_against_both_baselines(enter, scores):
    enter("BL", "pain", pain(8))
    enter("BL", "opioids", opioid())
    enter("RAND", "pain", pain(4))
    enter("RAND", "opioids", opioid(dose="10"))
    enter("W1", "pain", pain(4))
    assert scores("pain_response") == {
        ("W1", 1, "before_surgery"): "not_evaluable",
        ("W1", 1, "before_randomization"): "not_evaluable",
    }
    enter("W1", "opioids", opioid(dose="10"))
    assert scores("pain_response") == {
        ("W1", 1, "before_surgery"): "partial",
        ("W1", 1, "before_randomization"): "indeterminate",
    }


def test_several_drugs_of_a_day_add_up_and_one_unknown_dose_leaves_the_response_open(
    enter, scores, coordinator
):
    enter("BL", "pain", pain(8))
    enter("BL", "opioids", opioid())
    enter("W1", "pain", pain(8))
    enter("W1", "opioids", opioid(dose="10"))
    enter("W1", "opioids", opioid("tramadol", "50"), repeat=2)
    with acting(coordinator):
        row = Score.objects.get(instrument="pain_response", event="W1", name="before_surgery")
    assert row.inputs == {
        "before_surgery": {"pain": "8", "omed": "30"},
        "before_randomization": {"pain": None, "omed": None},
        "now": {"pain": "8", "omed": "25"},
        "scale": "worst",
        "reference": "before_surgery",
        "points": 2,
        "percent": 25,
    }
    assert row.value == "indeterminate"
    enter("W1", "opioids", {"opidat": TODAY, "taken": True, "drug": "other", "dose": "3"}, repeat=3)
    assert scores("pain_response")["W1", 1, "before_surgery"] == "not_evaluable"


def test_a_drug_that_is_not_entered_to_the_end_leaves_the_dose_of_its_day_open(enter, scores):
    """Half of a day's opioids would be taken for a fall of the dose."""
    enter("BL", "pain", pain(8))
    enter("BL", "opioids", opioid(dose="40"))
    enter("W1", "pain", pain(8))
    enter("W1", "opioids", opioid(dose="20"))
    assert scores("pain_response")["W1", 1, "before_surgery"] == "partial"
    second = enter("W1", "opioids", opioid(), repeat=2, complete=False)
    assert scores("pain_response")["W1", 1, "before_surgery"] == "not_evaluable"
    enter("W1", "opioids", opioid(), repeat=2, expected_version=second.record.version)
    assert scores("pain_response")["W1", 1, "before_surgery"] == "indeterminate"


def test_a_mended_baseline_changes_every_response_that_hangs_on_it(enter, scores):
    first = enter("BL", "pain", pain(8))
    enter("BL", "opioids", {"opidat": TODAY, "taken": False})
    for event in ("W1", "W2"):
        enter(event, "pain", pain(6))
        enter(event, "opioids", {"opidat": TODAY, "taken": False})
    assert {value for (_, _, name), value in scores("pain_response").items() if name == "before_surgery"} == {
        "partial"
    }
    enter("BL", "pain", pain(7), expected_version=first.record.version, reason="read from the wrong line")
    assert {value for (_, _, name), value in scores("pain_response").items() if name == "before_surgery"} == {
        "indeterminate"
    }


def test_scores_are_read_over_rest_by_the_own_hospital_only(enter, consented, coordinator, coordinator_b):
    enter(
        "BL",
        "sins",
        {"sinsdat": TODAY, "level": "T12", "pain": "mechanical", "lesion": "lytic"}
        | {"alignment": "normal", "collapse": "none", "posterolateral": "none"},
    )
    client = Client()
    client.force_login(coordinator)
    found = client.get(f"/api/v1/participants/{consented.code}/scores/?instrument=sins").json()["results"]
    assert {one["name"]: one["value"] for one in found} == {"total": "8", "class": "potentially_unstable"}
    stranger = Client()
    stranger.force_login(coordinator_b)
    assert stranger.get(f"/api/v1/participants/{consented.code}/scores/").status_code == 404


def test_what_a_score_said_before_stands_in_the_trail(enter, person):
    first = enter("BL", "pain", pain(8))
    enter("BL", "opioids", {"opidat": TODAY, "taken": False})
    enter("W1", "pain", pain(6))
    enter("W1", "opioids", {"opidat": TODAY, "taken": False})
    enter("BL", "pain", pain(7), expected_version=first.record.version, reason="read from the wrong line")
    auditor = person("auditor")
    with acting(auditor):
        events = Event.objects.filter(table_name="casebook_score", action="update")
        changes = [event.changes.get("value") for event in events]
    assert ["partial", "indeterminate"] in changes
