"""What a save asks of the database: a fixed number of statements, trail and checks included."""

import datetime as dt
import json

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.path import walk
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.staff.tokens import issue_token


def test_a_save_takes_few_statements(committed, site_a, coordinator, investigator):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    today = clock.today(site_a.timezone).isoformat()

    def cost(form, values, **more):
        """Begin, actor and commit among them."""
        with CaptureQueriesContext(connection) as asked:
            save_record(
                actor=coordinator, participant=participant, event="W1", form=form, values=values, **more
            )
        return len(asked)

    pain = {"paindat": today, "worst": "6", "average": "4"}
    signs = {"vsdat": today, "sysbp": "190"}
    cost("pain", pain)  # what a process reads once
    assert {
        # Pain is scored: the response at this visit, against both baselines.
        "changed": cost("pain", pain | {"worst": "5"}, expected_version=1, reason="misread"),
        "same again": cost("pain", pain | {"worst": "5"}, expected_version=2),
        "new draft with a query": cost("vitals", signs, complete=False),
        "one item of it": cost("vitals", {"diabp": "80"}, complete=False, partial=True, expected_version=1),
    } == {"changed": 9, "same again": 7, "new draft with a query": 8, "one item of it": 8}


def test_a_program_that_saves_asks_for_little_more(committed, site_a, coordinator, investigator):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    today = clock.today(site_a.timezone).isoformat()
    secret = issue_token(actor=coordinator, user=coordinator, name="lab", valid_for=dt.timedelta(days=1))
    client = Client(headers={"authorization": f"Token {secret}"})

    def put(form, values):
        address = f"/api/v1/participants/{participant.code}/records/W1/{form}/"
        with CaptureQueriesContext(connection) as asked:
            answered = client.put(address, json.dumps({"values": values}), "application/json")
        assert answered.status_code == 200
        return [one["sql"] for one in asked]

    # The use of the token is written once a minute.
    put("pain", {"paindat": today, "worst": "6", "average": "4"})
    signs = {"vsdat": today, "sysbp": "128", "diabp": "80", "pulse": "72", "temp": "36.6"}
    asked = put("vitals", signs)
    # Begin and commit, token, actor, roles, participant; the service in a savepoint: lock, announce, read, write.
    assert len(asked) == 12
    assert len([sql for sql in asked if "set_config" in sql]) == 1
