"""The lists that stand beside the forms' tables hold what an analysis asks of them; the paper cuts nobody's words."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from tests.path import walk
from trialsite.casebook import querying
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.exports.columns import columns_of, united
from trialsite.exports.papers.review import _short
from trialsite.protocol.definition import Form

TODAY = clock.today("Asia/Shanghai").isoformat()


@pytest.fixture
def operated(committed, sealed, site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def taken(person):
    """The table of that name as its reader gets it."""
    client = Client()
    client.force_login(person("statistician"))

    def taken(name):
        answer = client.get(f"/api/v1/exports/{name}.csv")
        assert answer.status_code == 200, answer.content
        return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))

    return taken


def test_every_list_names_its_trial(operated, coordinator, taken):
    save_record(
        actor=coordinator,
        participant=operated,
        event="W1",
        form="pain",
        values={"paindat": TODAY, "worst": 6, "average": 9},
    )
    for name in ("participants", "visits", "scores", "queries", "signatures"):
        found = taken(name)
        assert found, name
        assert {row["trial"] for row in found} == {"NCT06756087"}, name
    book = {(row["table"], row["column"]) for row in taken("codebook")}
    assert {("scores", "inputs"), ("scores", "computed_at"), ("queries", "origin")} <= book


def test_a_score_tells_what_it_was_computed_from_and_when(operated, coordinator, taken):
    save_record(
        actor=coordinator,
        participant=operated,
        event="W1",
        form="opioids",
        values={"opidat": TODAY, "taken": True, "drug": "oxycodone", "dose": "20"},
    )
    [row] = [one for one in taken("scores") if (one["event"], one["score"]) == ("W1", "omed")]
    assert (row["value"], json.loads(row["inputs"])["dose"]) == ("30", "20")
    assert row["computed_at"].startswith(f"{clock.now():%Y-%m-%d}")


def test_a_query_tells_who_asked_what_was_answered_and_who_closed_it(operated, coordinator, person, taken):
    saved = save_record(
        actor=coordinator,
        participant=operated,
        event="W1",
        form="pain",
        values={"paindat": TODAY, "worst": 6, "average": 9},
    )
    manager = person("data_manager")
    asked = querying.raise_query(actor=manager, record=saved.record, item="worst", text="The chart says 8.")
    querying.answer_query(actor=coordinator, query=asked, text="Of the day before.")
    querying.reopen_query(actor=manager, query=asked, text="Which day?")
    querying.answer_query(actor=coordinator, query=asked, text="2 March.")
    querying.close_query(actor=manager, query=asked, text="Clear.")
    found = {row["origin"]: row for row in taken("queries") if row["event"] == "W1"}
    told = ("answers", "last_answer", "closed_by")
    assert [found["person"][name] for name in told] == ["2", "2 March.", manager.username]
    assert [found["check"][name] for name in told] == ["0", "", ""]


def test_a_code_that_an_amendment_drops_keeps_its_column():
    document: dict[str, Any] = {
        "code": "x",
        "name": {"en": "x", "zh": "x"},
        "sections": [
            {
                "label": {"en": "x", "zh": "x"},
                "items": [
                    {
                        "name": "why",
                        "label": {"en": "why", "zh": "why"},
                        "type": "multichoice",
                        "cdash": "WHY",
                        "choices": [{"code": code, "label": {"en": code, "zh": code}} for code in ("a", "b")],
                    }
                ],
            }
        ],
    }
    old = Form.of(document)
    document["sections"][0]["items"][0]["choices"].pop(0)
    new = Form.of(document)
    assert [one.name for one in columns_of(united([old, new]))] == ["why__b", "why__a", "why__missing"]


@pytest.mark.parametrize("text", ["x" * 5000, "{" + "x" * 5000, "[sic] " + "x" * 5000])
def test_the_words_of_people_stand_on_paper_whole(text):
    assert _short(text) == text


def test_the_papers_of_a_program_are_cut():
    text = json.dumps({"tree": ["x" * 400]})
    assert len(_short(text)) < len(text)
