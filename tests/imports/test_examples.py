"""Every documented example runs as it is written: those of the description of the API, and those of the handbook."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.imports.conftest import client_of, consented
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.imports import working
from trialsite.imports.models import Import

HANDBOOK = Path(__file__).resolve().parents[2] / "docs" / "casebook.md"


def described():
    """(media type, body) of each example of the import's operation."""
    operation = SchemaGenerator().get_schema(request=None, public=True)["paths"]["/api/v1/imports/"]["post"]
    for media, content in operation["requestBody"]["content"].items():
        for example in content["examples"].values():
            yield media, example["value"]


def written():
    """(form, language, text) of each example of the handbook."""
    part = HANDBOOK.read_text().partition("## What comes in")[2].partition("\n## ")[0]
    form = ""
    for found in re.finditer(r"form `(\w+)`|for `(\w+)`|```(csv|json)\n(.*?)```", part, re.DOTALL):
        form = found[1] or found[2] or form
        if found[3]:
            yield form, found[3], found[4]


@pytest.fixture
def example(committed, site_a, coordinator, investigator):
    """The participant of the examples, consented before their dates."""
    ago = (clock.today("Asia/Shanghai") - dt.date(2026, 2, 10)).days
    found = consented(site_a, coordinator, investigator, ago=ago)
    assert found.code == "01-001"
    return found


def run(user, body, media, asked=""):
    """The import of the example after the worker has been, tried and then saved."""
    answer = client_of(user).generic("POST", f"/api/v1/imports/{asked}", body, media)
    assert answer.status_code == 202, answer.content
    working.work_off(actor=user, number=answer.json()["id"])
    with acting(user):
        found = Import.objects.get(pk=answer.json()["id"])
        assert [(one.message, one.fields) for one in found.faults.all()] == []
    assert found.saved + found.unchanged == found.rows > 0
    return found


def test_the_examples_of_the_description(example, coordinator):
    examples = list(described())
    assert sorted(media for media, _ in examples) == ["application/json", "application/json", "text/csv"]
    for media, value in examples:
        if media == "text/csv":
            run(coordinator, value, media, "?form=pain&reason=diary")
        else:
            run(coordinator, json.dumps(value), media)
    with acting(coordinator):
        assert Record.objects.get(form="pain", event="W1").data["paindat"]["value"] == "2026-03-08"


def test_the_examples_of_the_handbook(example, coordinator):
    examples = list(written())
    assert [(form, language) for form, language, _ in examples] == [
        ("pain", "csv"),
        ("labs", "csv"),
        ("pain", "json"),
    ]
    for form, language, text in examples:
        if language == "csv":
            run(coordinator, text, "text/csv", f"?form={form}&reason=example")
        else:
            run(
                coordinator,
                json.dumps({"form": form, "reason": "example", "rows": json.loads(text)}),
                "application/json",
            )
    with acting(coordinator):
        data = Record.objects.get(form="labs").data
        answered = {one.event: one.data for one in Record.objects.filter(form="pain")}
    assert (data["hgb"]["value"], data["hgb"]["unit"], data["hgb"]["si"]) == ("12.4", "g/dL", "124")
    assert set(answered) == {"W1", "W2", "W4"}
    assert answered["W4"]["average"] == {"missing": "refused"}
