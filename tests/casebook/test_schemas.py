"""The JSON Schema of each form fits whatever is accepted, and turns away what no form takes."""

from pathlib import Path

import jsonschema
import pytest
from django.test import Client

from tests.imports.test_round_trip import DICE, filled
from trialsite.casebook.rules import read_values
from trialsite.casebook.schemas import schema_of
from trialsite.core import clock
from trialsite.protocol.definition import Definition
from trialsite.protocol.reader import read

FOLDER = Path(__file__).resolve().parents[2] / "protocols" / "nct06756087"
NOW = clock.local(clock.now(), "Asia/Shanghai")
DEFINITION = Definition.from_document(read(FOLDER)[0])


@pytest.mark.parametrize("form", DEFINITION.forms, ids=lambda form: form.code)
def test_what_is_accepted_fits(form):
    DICE.seed(form.code)
    for _ in range(4):
        values = filled(form)
        faults = read_values(form, values, now=NOW, complete=False).faults
        accepted = {name: entry for name, entry in values.items() if name not in faults}
        jsonschema.validate(accepted, schema_of(form))


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("labs", {"colour": "red"}),
        ("labs", {"wbc": 6.2}),
        ("labs", {"wbc": "many"}),
        ("labs", {"wbc": {"value": "6", "unit": "parsec"}}),
        ("labs", {"wbc": {"missing": "lost"}}),
        ("labs", {"clearance": "80"}),
        ("labs", {"lbtim": "25:00"}),
        ("labs", {"lbdat": "2026"}),
        ("lesion", {"levels": ["X9"]}),
        ("lesion", {"evaluable": "yes"}),
    ],
)
def test_what_no_form_takes_does_not_fit(form, values):
    described = DEFINITION.form(form)
    assert read_values(described, values, now=NOW, complete=False).faults
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema_of(described))


def test_the_schema_is_given_out(db, assessor, statistician):
    client = Client()
    client.force_login(statistician)
    found = client.get("/api/v1/protocol/forms/labs/schema/").json()
    assert found["properties"]["hgb"]["x-unit"] == "g/L"
    assert client.get("/api/v1/protocol/forms/nothing/schema/").status_code == 404
    assert client.get("/api/v1/protocol/forms/labs/schema/?version=1.0").json() == found
    for version in ("9.9", "x" * 500):
        for address in ("", "forms/labs/", "forms/labs/schema/"):
            assert client.get(f"/api/v1/protocol/{address}?version={version}").status_code == 404
