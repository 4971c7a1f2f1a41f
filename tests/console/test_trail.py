"""An inspector reads the trail, and takes it along."""

import csv
import io

import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.rules import entered
from trialsite.casebook.services import save_record
from trialsite.enrollment import services


@pytest.fixture
def corrected(committed, sealed, site_a, coordinator, investigator):
    """A randomized participant whose weight was corrected at screening, before anything was signed."""
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    with acting(coordinator):
        record = participant.records.get(form="labs")
    definition = participant.protocol_version.definition
    save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="labs",
        values={**entered(record.data, definition.form("labs")), "weight": {"value": "61", "unit": "kg"}},
        expected_version=record.version,
        reason="read from the wrong line",
    )
    return participant


def client_of(user, language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def rows_of(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def auditor(person):
    return person("auditor")


def test_a_correction_shows_both_values_who_when_and_why_in_the_words_of_the_form(corrected, auditor):
    page = (
        client_of(auditor)
        .get(f"/admin/trail/?participant={corrected.code}&table=casebook_record")
        .content.decode()
    )
    for told in ("Body weight", "61 kg", "read from the wrong line", corrected.code, "Coordinator"):
        assert told in page
    assert "体重" in client_of(auditor, "zh-hans").get("/admin/trail/?table=casebook_record").content.decode()


def test_the_csv_holds_every_line_and_the_export_is_itself_recorded(corrected, auditor):
    client = client_of(auditor)
    rows = rows_of(client.get(f"/admin/trail.csv?participant={corrected.code}"))
    corrections = [
        row for row in rows if row["reason"] == "read from the wrong line" and row["field"] == "Body weight"
    ]
    assert [row["new"] for row in corrections] == ["61 kg"]
    assert corrections[0]["old"].endswith("kg")
    exports = rows_of(client.get("/admin/trail.csv?table=audit_event"))
    assert exports[0]["action"] == "exported"


def test_each_question_narrows_the_trail(corrected, auditor, coordinator):
    client = client_of(auditor)
    everything = len(rows_of(client.get("/admin/trail.csv")))
    for question in (
        f"person={coordinator.username}",
        "table=visits_visit",
        "field=status",
        "until=2001-01-01",
    ):
        assert len(rows_of(client.get(f"/admin/trail.csv?{question}"))) < everything
    assert client.get("/admin/trail/?since=yesterday").status_code == 422


def test_a_hospitals_investigator_in_chief_reads_the_own_hospitals_trail_only(
    corrected, person, site_a, site_b
):
    here = rows_of(client_of(person("pi", site_a)).get("/admin/trail.csv?table=casebook_record"))
    there = rows_of(client_of(person("pi", site_b)).get("/admin/trail.csv?table=casebook_record"))
    assert here
    assert there == []


def test_no_value_becomes_a_formula(corrected, auditor, coordinator):
    services.fail_screening(actor=coordinator, participant=corrected, reason='=HYPERLINK("http://x")')
    reasons = {row["reason"] for row in rows_of(client_of(auditor).get("/admin/trail.csv?field=status"))}
    assert '\'=HYPERLINK("http://x")' in reasons


def test_the_page_costs_the_same_whatever_the_length_of_the_trail(corrected, auditor):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_of(auditor)
    client.get("/admin/trail/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/trail/?until=2001-01-01")
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/trail/")
    assert len(many) == len(few)
