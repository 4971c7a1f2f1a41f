"""Whatever a program sends, the API answers without failing."""

import datetime as dt

import pytest
from django.test import Client

from tests.campaign.interface import failures
from tests.path import walk
from trialsite.staff.tokens import issue_token


def test_no_request_that_fits_the_description_makes_the_server_fail(
    committed, sealed, site_a, coordinator, investigator
):
    walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    secret = issue_token(actor=coordinator, user=coordinator, name="s", valid_for=dt.timedelta(days=1))
    found, sent = failures({"Authorization": f"Token {secret}"}, examples=3, number=20260101)
    assert found == []
    assert sent > 100


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("holidays/?day__year=0", 422),
        ("holidays/?day__year=10000", 422),
        ("holidays/?day__year=2026", 200),
        ("visits/?appointment_from=0270-06-12T12:26:04-16:08", 422),
        ("visits/?appointment_until=0001-01-01T00:00:00%2B08:00", 422),
        ("visits/?appointment_until=9999-12-31T23:59:59-08:00", 422),
        ("visits/?appointment_from=2026-06-12T12:26:04-16:08", 200),
        ("reminders/?due_before=0164-06-29T19:27:18%2B21:56", 422),
        ("reminders/?due_before=2026-06-12T12:26:04Z", 200),
    ],
)
def test_a_filter_takes_what_a_calendar_holds_and_names_itself_otherwise(coordinator, query, status):
    client = Client()
    client.force_login(coordinator)
    answer = client.get(f"/api/v1/{query}")
    assert answer.status_code == status, answer.content
    if status == 422:
        assert list(answer.json()["fields"]) == [query.partition("?")[2].partition("=")[0]]
