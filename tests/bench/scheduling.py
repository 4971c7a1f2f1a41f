"""Scheduling one participant (service, commit included) beside the bare insert of the same rows."""

from dataclasses import replace
from functools import partial
from typing import Any

import psycopg

from tests.bench.timing import Stage, report, timed

INSERT = """
INSERT INTO visits_visit (created_at, participant_id, site_id, code, kind, anchor_on, target_on, opens_on, closes_on,
                          state, plan_version, bookings, reveals_arm)
SELECT now(), participant_id, site_id, 'C' || code, kind, anchor_on, target_on, opens_on, closes_on, 'expected', 1, 0,
       reveals_arm
  FROM visits_visit WHERE participant_id = %s AND code LIKE 'B%%'
"""


def bare_insert(connection: psycopg.Connection[Any], actor: int, participant: int) -> None:
    """The same number of rows with the same constraints, policies and trail, in one statement."""
    with connection.transaction():
        connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor)])
        connection.execute(INSERT, [participant])


def measure(stage: Stage) -> None:
    """The visits of one participant, 50 times, in turn with the bare insert."""
    from trialsite.core import clock
    from visits import services

    coordinator, ours, bare = stage.coordinator, [], []
    anchor = clock.today(stage.site.timezone)
    with psycopg.connect(stage.cluster.url("edc_app", stage.name), autocommit=True) as connection:
        for participant in stage.people:
            planned = [
                replace(visit, code=f"B{visit.code}")
                for visit in participant.protocol_version.definition.visits
                if not visit.arms
            ]
            schedule = partial(
                services.schedule,
                actor=coordinator,
                participant=participant,
                anchors={"surgery": anchor},
                visits=planned,
            )
            ours.append(timed(schedule))
            bare.append(timed(partial(bare_insert, connection, coordinator.pk, participant.pk)))
    report("scheduling one participant", ours, bare)
