"""A hospital with two consented participants, nothing recorded of the second."""

import csv
import datetime as dt
import io
import json

import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.enrollment import services as enrollment
from trialsite.imports import working
from trialsite.imports.models import Import


def consented(site, coordinator, investigator, *, ago=10):
    """A participant of whom nothing but the consent is recorded."""
    found = walk("registered", site=site, coordinator=coordinator, investigator=investigator)
    at = clock.now() - dt.timedelta(days=ago)
    enrollment.consent(
        actor=coordinator,
        participant=found,
        form_version="1.0",
        patient_signed_at=at,
        family_signed_at=at,
    )
    with acting(coordinator):
        return type(found).objects.with_protocol().get(pk=found.pk)


def client_of(user):
    made = Client()
    made.force_login(user)
    return made


def post(user, **body):
    body = {"reason": "from the diary"} | body
    return client_of(user).post("/api/v1/imports/", json.dumps(body), "application/json")


def brought_in(user, **body):
    """The import after the worker has been, and its refused rows."""
    answer = post(user, **body)
    assert answer.status_code in (200, 202), answer.content
    number = answer.json()["id"]
    working.work_off(actor=user, number=number)
    with acting(user):
        found = Import.objects.get(pk=number)
        return found, list(found.faults.all())


def table(user, name):
    """The exported table as text."""
    answer = client_of(user).get(f"/api/v1/exports/{name}.csv")
    assert answer.status_code == 200, answer.content
    return answer.getvalue().decode()


def as_lines(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_text(lines):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@pytest.fixture
def empty(committed, site_a, coordinator, investigator):
    return consented(site_a, coordinator, investigator)
