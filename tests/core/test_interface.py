"""Whatever a program sends, the API answers without failing."""

import pytest
from django.test import Client
from rest_framework.response import Response

from randomization.api import Attestations
from tests.campaign.interface import Storm
from tests.conftest import built_once
from tests.world import build
from trialsite.staff.models import SignedVersion


@built_once
def world():
    return build()


def test_no_request_of_any_role_makes_the_server_fail(world):
    storm = Storm(world, 20260102).run(examples=2)
    assert storm.failed == []
    assert storm.answers.total() > 200
    assert {200, 201, 403, 404, 409, 422} <= storm.answers.keys(), "they come as far as the services"
    assert 429 not in storm.answers


def test_a_failure_and_what_the_commit_would_refuse_are_found(world, monkeypatch):
    def fails(view, request, **kwargs):
        raise RuntimeError

    def leaves_behind(view, request, **kwargs):
        SignedVersion.objects.create(signature_id=1, site=world.a, kind="x", record_id=1, version=1)
        return Response({})

    monkeypatch.setattr(Attestations, "get", fails)
    monkeypatch.setattr(Attestations, "post", leaves_behind)
    failed = Storm(world, 20260101, only="/randomization/attestations/").run(examples=15).failed
    assert any(one.endswith(": 500") for one in failed)
    assert any("violates foreign key constraint" in one for one in failed)


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
