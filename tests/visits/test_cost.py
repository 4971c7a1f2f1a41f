"""What planning costs follows what is due, not what exists: read from the plan, never from a clock."""

import json

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.visits.conftest import shanghai
from trialsite.audit.context import acting
from visits import services

PARTICIPANTS, EACH = 2_000, 6
# Visits of 2020, long attended, and of 2040, far ahead, as many for each participant; written behind the trail's back,
# as the server's own superuser.
CROWD = """
SET session_replication_role = replica;
INSERT INTO participants_participant (created_at, code, site_id, protocol_version_id, status, registration_key,
                                      registered_by_id, attempt)
SELECT created_at, 'C' || n, site_id, protocol_version_id, status, 'crowd-' || n, registered_by_id, 1
  FROM participants_participant, generate_series(1, %(participants)s) n;
INSERT INTO visits_visit (created_at, participant_id, site_id, code, kind, anchor_on, target_on, opens_on, closes_on,
                          state, plan_version, bookings, attended_on, reveals_arm)
SELECT now(), p.id, p.site_id, state || n, 'series', day, day, day, day, state, 1, 0,
       CASE state WHEN 'attended' THEN day END, false
  FROM participants_participant p, generate_series(1, %(each)s) n,
       (VALUES ('attended', date '2020-01-01'), ('expected', date '2040-01-01')) AS crowd(state, base),
       LATERAL (SELECT base + (p.id * 7 + n * 40)::int %% 300) d(day)
 WHERE p.code LIKE 'C%%';
"""


@pytest.fixture
def crowded(committed, cluster, visit):
    """A database in which almost every visit is settled or far ahead."""
    with psycopg.connect(
        cluster.url("postgres", committed), autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as superuser:
        superuser.execute(CROWD, {"participants": PARTICIPANTS, "each": EACH})
        superuser.execute("ANALYZE")


@pytest.fixture
def statement(planner):
    """The planning statement as it is really sent, with the plan that the server makes of it and what it read."""

    def statement(at):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            services.plan_reminders(actor=planner, now=shanghai(at))
        (sql,) = [query["sql"] for query in asked if "INSERT INTO outbox_message" in query["sql"]]
        with transaction.atomic(), acting(planner), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}".replace("%", "%%"), [])
            (plan,) = cursor.fetchone()
            transaction.set_rollback(True)
        return (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]

    return statement


def _scans(node, table):
    """Every node of the plan that reads `table`."""
    if node.get("Relation Name") == table or (
        "Index Name" in node and node["Index Name"].startswith("visit_")
    ):
        yield node
    for child in node.get("Plans", ()):
        yield from _scans(child, table)


def _read(node):
    rows = (
        node["Actual Rows"]
        + node.get("Rows Removed by Filter", 0)
        + node.get("Rows Removed by Index Recheck", 0)
    )
    return rows * node["Actual Loops"]


def test_planning_reads_the_visits_that_are_near_through_their_partial_indexes(
    crowded, statement, planner, visit
):
    plan = statement("2027-03-24 08:30")
    scans = list(_scans(plan, "visits_visit"))
    assert scans
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Bitmap Heap Scan", "Bitmap Index Scan"}
    used = {node["Index Name"] for node in scans if "Index Name" in node}
    assert used == {"visit_open_by_opening", "visit_open_by_closing", "visit_booked_by_appointment"}
    assert sum(_read(node) for node in scans) < 100, "of 24 001 visits one is near"
