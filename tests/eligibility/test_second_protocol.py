"""A made-up protocol, with other forms, criteria and units, runs with no code change; a wrong one is refused."""

import copy
import datetime as dt
from typing import Any

import pytest
import yaml

from eligibility import rules
from tests.enrollment import second
from tests.enrollment.second import form, item, text
from trialsite.casebook.checks import own_facts, questions, with_computed
from trialsite.casebook.rules import read_values
from trialsite.protocol.definition import Definition
from trialsite.protocol.reader import read

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


GLUCOSE = form(
    "metabolic",
    item("drawn", "date", needed=True),
    item(
        "glucose",
        "decimal",
        unit="mmol/L",
        accepted_units={"mg/dL": "125/2252"},
        hard=["1", "60"],
        soft=["3", "15"],
        signed=True,
    ),
    item("height", "decimal", unit="m", accepted_units={"cm": "1/100"}, hard=["1", "2.5"]),
    item("mass", "decimal", unit="kg", hard=[20, 400]),
    item("bmi", "decimal", derive="metabolic.mass / (metabolic.height * metabolic.height)", decimals=1),
    item("insulin", "boolean"),
    item("units", "integer", show_if="metabolic.insulin"),
    valid_days=30,
)
CRITERIA: list[dict[str, Any]] = [
    {
        "id": "A1",
        "kind": "inclusion",
        "basis": "computed",
        "title": text("BMI"),
        "rule": "25 <= metabolic.bmi < 40",
    },
    {
        "id": "A2",
        "kind": "inclusion",
        "basis": "computed",
        "title": text("Glucose"),
        "rule": "metabolic.glucose >= 7.0",
    },
    {
        "id": "B1",
        "kind": "exclusion",
        "basis": "mixed",
        "title": text("Insulin"),
        "rule": "metabolic.insulin and metabolic.units > setting.most_units",
    },
    {
        "id": "C1",
        "kind": "inclusion",
        "basis": "attested",
        "title": text("Again"),
        "rule": "metabolic.insulin == false",
        "recheck_at_randomization": True,
    },
]


@pytest.fixture
def folder(tmp_path):
    made = second.write(tmp_path / "second", most_units=40, most_meals=None)
    write(made, criteria=CRITERIA)
    (made / "forms" / "metabolic.yaml").write_text(yaml.safe_dump(GLUCOSE, allow_unicode=True))
    return made


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))


def judge(definition, **entries):
    described = definition.form("metabolic")
    reading = read_values(described, {"drawn": "2026-05-01", **entries}, now=NOW, complete=True)
    assert reading.faults == {}
    facts = own_facts(described, reading.data)
    asked = [one for one in definition.criteria if not one.recheck_at_randomization]
    data = with_computed(described, reading.data, facts, definition.rule)
    doubts = {one.check_id for one in questions(described, data, facts, definition.rule)}
    return rules.judge(asked, facts, definition.rule), data, doubts


def test_other_criteria_in_other_units_run_as_they_are(folder):
    document, problems = read(folder)
    assert problems == []
    definition = Definition.from_document(document)
    body = {"height": {"value": "160", "unit": "cm"}, "mass": "64", "insulin": True}
    verdict, data, doubts = judge(definition, glucose={"value": "126.112", "unit": "mg/dL"}, units=40, **body)
    assert (verdict.eligible, data["bmi"]["value"], data["glucose"]["si"], doubts) == (True, "25", "7", set())
    verdict, _data, _doubts = judge(
        definition, glucose={"value": "126.111", "unit": "mg/dL"}, units=41, **body
    )
    assert verdict.failing() == ["A2", "B1"]
    verdict, _data, doubts = judge(definition, glucose="<8", units=40, **body)
    assert (verdict.eligible, verdict.unknown()) == (None, ["A2"])
    _verdict, _data, doubts = judge(definition, glucose="16", units=4, **{**body, "insulin": False})
    assert doubts == {"soft:glucose", "skip:units"}


WRONG = [
    ("metabolic.sugar > 3", "there is no item “metabolic.sugar”"),
    ("metabolic.insulin > 3", "is a number, a boolean is needed"),
    ("metabolic.glucose", "gives a number, a boolean is needed"),
    ("setting.none > 3", "there is no setting “none”"),
    ("known(metabolic.glucose)", "what lacks is unknown"),
    ("uln(metabolic.glucose) > 3", "has no upper limit of normal"),
    ("metabolic.glucose.real > 3", "is not part of the language"),
    ("open(metabolic.glucose)", "there is no function “open”"),
    ("metabolic.glucose ** 2 > 3", "is not part of the language"),
    ("[x for x in metabolic.glucose]", "is not part of the language"),
    ("(lambda: true)()", "is not a call of the language"),
    ("metabolic.glucose > 1e3", "is not a value of the language"),
    ("metabolic.glucose > 3 and", "cannot be read"),
    ("not " * 60 + "metabolic.insulin", "nested"),
]


def test_what_does_not_type_check_is_refused_with_file_and_path_and_all_at_once(folder):
    criteria = [
        {**copy.deepcopy(CRITERIA[0]), "id": f"X{place}", "rule": rule}
        for place, (rule, _) in enumerate(WRONG)
    ]
    write(folder, criteria=criteria)
    _document, problems = read(folder)
    found = {(one.file, one.path): one.sentence for one in problems}
    for place, (rule, words) in enumerate(WRONG):
        assert words in found[("criteria.yaml", f"[{place}].rule")], rule
    assert [one.file for one in problems].count("criteria.yaml") == len(WRONG)


def test_forms_are_held_to_the_same_language(folder):
    changed = copy.deepcopy(GLUCOSE)
    changed["sections"][0]["items"][4]["derive"] = "metabolic.bmi * 2"
    changed["sections"][0]["items"][6]["show_if"] = "metabolic.units"
    changed["checks"] = [
        {"id": "odd", "item": "glucose", "expression": "metabolic.mass", "message": text("odd")}
    ]
    (folder / "forms" / "metabolic.yaml").write_text(yaml.safe_dump(changed, allow_unicode=True))
    found = {str(one).split(":")[1].strip() for one in read(folder)[1]}
    assert found == {"bmi.derive", "units.show_if", "checks[0].expression"}
