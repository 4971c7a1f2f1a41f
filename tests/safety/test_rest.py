"""The steps of a report over REST: the same checks as on the page."""

import datetime as dt
import json

import pytest
from django.test import Client

from tests.path import walk
from trialsite.casebook.services import save_record
from trialsite.core import clock


@pytest.fixture
def reported(data, coordinator, investigator, site_a):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    aware = clock.local(clock.now() - dt.timedelta(hours=5), "Asia/Shanghai").isoformat(timespec="seconds")
    values = {"saeterm": "sepsis", "awareat": aware}
    save_record(
        actor=coordinator, participant=participant, event="LOG", form="sae", values=values, complete=False
    )
    return participant


def step(user, participant, *, repeat=1, **body):
    client = Client()
    client.force_login(user)
    address = f"/api/v1/participants/{participant.code}/sae/{repeat}/steps/"
    return client.post(address, json.dumps({"expected_version": 1} | body), "application/json")


def hours(count):
    return (clock.now() + dt.timedelta(hours=count)).isoformat()


def test_a_step_is_noted_on_the_report_and_answers_with_its_clocks(reported, coordinator):
    answer = step(coordinator, reported, step="to_sponsor", at=hours(-1))
    assert answer.status_code == 200, answer.content
    clocks = {one["name"]: one["state"] for one in answer.json()["clocks"]}
    assert clocks["to_sponsor"] == "in_time"
    assert step(coordinator, reported, step="onward", at=hours(-1)).json()["code"] == "version_conflict"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"step": "to_sponsor", "at": hours(1)}, 422, "at"),
        ({"step": "to_sponsor", "at": hours(-6)}, 422, "at"),
        ({"step": "to_sponsor", "at": "soon"}, 422, "at"),
        ({"step": "to_sponsor", "at": None}, 422, "at"),
        ({"step": "burn", "at": hours(-1)}, 422, "step"),
        ({"step": "close", "at": hours(-1)}, 409, None),
        ({"step": "onward", "at": hours(-1), "expected_version": 0}, 422, "expected_version"),
        ({"step": "onward", "at": hours(-1), "repeat": 7}, 404, None),
    ],
)
def test_what_the_page_refuses_is_refused(reported, coordinator, body, status, field):
    answer = step(coordinator, reported, **body)
    assert answer.status_code == status, answer.content
    if field:
        assert field in answer.json()["fields"]


def test_who_may_not_edit_notes_no_step(reported, person):
    assert step(person("monitor"), reported, step="onward", at=hours(-1)).status_code == 403
