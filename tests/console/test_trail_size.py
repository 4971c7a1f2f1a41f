"""A trail of a hundred thousand events leaves as CSV, and is verified, in the memory that a short one takes."""

import resource
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.conftest import built_once, make_person
from trialsite.audit import services as audit
from trialsite.audit import verification
from trialsite.console.pages.trail import TrailPdf
from trialsite.core import paper

EVENTS = 100_000
# What it may take more, in bytes; all rows at once would be above 80 MB.
FLAT = 32 * 2**20
_FILL = """
INSERT INTO audit_event (at, epoch, xid, actor_id, roles, action, table_name, row_key, reveals_arm, changes, reason,
                         application, request, address, session)
SELECT clock_timestamp(), (SELECT max(epoch) FROM audit_event), pg_current_xact_id()::text::bigint, 1, 'coordinator',
       'update', 'sites_site', (n %% 7 + 1)::text, false, jsonb_build_object('phone', jsonb_build_array(n, n + 1)),
       repeat('why ', 20), 'web', '', '', '' FROM generate_series(1, %s) n"""


@built_once
def long_trail():
    return make_person("auditor")


@pytest.fixture
def owner(committed, cluster):
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as connection:
        connection.execute(_FILL, [EVENTS])
        yield connection


def held():
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def highest(steps):
    """The most memory held while `steps` are taken, and how many there were."""
    most, taken = held(), 0
    for taken, _ in enumerate(steps, 1):
        if taken % 1000 == 0:
            most = max(most, held())
    return most, taken


def test_the_csv_of_a_long_trail_takes_no_more_memory_than_a_short_one(long_trail, owner):
    client = Client()
    client.force_login(long_trail)
    short: Any = client.get("/admin/trail.csv?person=approvals.sponsor")
    before, few = highest(short.streaming_content)
    long: Any = client.get("/admin/trail.csv")
    most, many = highest(long.streaming_content)
    assert few < 1000 < EVENTS < many
    assert most - before < FLAT


def test_verifying_a_long_trail_takes_no_more_memory_than_its_beginning(long_trail, owner, monkeypatch):
    audit.seal()
    contents = verification._contents
    found: list[int] = []
    monkeypatch.setattr(
        verification,
        "_contents",
        lambda rows, seals, report: contents(watched(rows, found), seals, report),
    )
    before = held()
    report = verification.verify(owner)
    assert report.problems == []
    assert report.events > EVENTS
    assert max(found) - before < FLAT


def watched(rows, found):
    """`rows`, with what is held at each thousandth."""
    for number, row in enumerate(rows):
        if number % 1000 == 0:
            found.append(held())
        yield row


def test_far_too_many_pages_are_refused_before_any_is_drawn(long_trail, owner, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a page was drawn")

    monkeypatch.setattr(paper, "listing", never)
    client = Client()
    client.force_login(long_trail)
    refused = client.get("/admin/trail.pdf")
    assert refused.status_code == 422
    assert "more than 2000 pages" in refused.content.decode()


def test_two_thousand_pages_can_be_made_and_one_more_is_refused():
    page = ["line"] * 40  # two of them do not fit on one page
    made = paper.listing([page] * (TrailPdf.most - 1), head=page, foot="x", most=TrailPdf.most)
    assert f"/Count {TrailPdf.most} ".encode() in made
    with pytest.raises(paper.TooLong):
        paper.listing([page] * 3, head=page, foot="x", most=3)
