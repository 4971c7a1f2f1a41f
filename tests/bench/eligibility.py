"""A full verdict over the protocol's criteria; and saving a form through HTTP beside the bare insert and its trail."""

import datetime as dt
import json
from functools import partial
from typing import Any

import psycopg

from tests.bench.timing import Stage, report, timed

TABLE = """
CREATE TABLE bench_record (id bigserial PRIMARY KEY, participant_id bigint, site_id bigint, data jsonb);
CREATE TRIGGER bench_record_trail AFTER INSERT ON bench_record FOR EACH ROW EXECUTE FUNCTION edc_trail('id');
"""


def bare_insert(
    connection: psycopg.Connection[Any], actor: int, participant: int, site: int, data: str
) -> None:
    """The row and its line in the trail."""
    with connection.transaction():
        connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor)])
        connection.execute(
            "INSERT INTO bench_record (participant_id, site_id, data) VALUES (%s, %s, %s)",
            [participant, site, data],
        )


def measure(stage: Stage) -> None:
    """The verdict alone 200 times; 50 drafts of the laboratory form, in turn with the bare insert."""
    from django.test import Client

    from tests.eligibility import judging
    from trialsite.core import clock
    from trialsite.demo import casebook

    protocol = judging.definition()
    facts = judging.facts_of(protocol, judging.screening())
    judging.judge_facts(protocol, facts)
    verdicts = [timed(partial(judging.judge_facts, protocol, facts)) for _ in range(200)]
    client = Client(SERVER_NAME="localhost")
    client.force_login(stage.coordinator)
    # The day on which the stage's people were screened.
    seen = clock.today(stage.site.timezone) - dt.timedelta(days=5)
    values = casebook.screening(seen)["labs"]
    with psycopg.connect(stage.cluster.url("edc_owner", stage.name), autocommit=True) as owner:
        owner.execute(TABLE)
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO edc_app")
        owner.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO edc_app")
    ours, bare = [], []
    with psycopg.connect(stage.cluster.url("edc_app", stage.name), autocommit=True) as connection:
        for number, participant in enumerate(stage.people, start=1):
            weight = {"value": str(60 + number % 30), "unit": "kg"}
            body = {"values": {**values, "weight": weight}, "expected_version": 1, "reason": "bench"}
            address = f"/api/v1/participants/{participant.code}/records/SCR/labs/"
            ours.append(timed(partial(_put, client, address, json.dumps(body))))
            data = json.dumps(body["values"])
            bare.append(
                timed(
                    partial(
                        bare_insert, connection, stage.coordinator.pk, participant.pk, stage.site.pk, data
                    )
                )
            )
    report("one full verdict (no SQL)", verdicts, bare)
    report("one form saved over HTTP", ours, bare)


def _put(client: Any, address: str, body: str) -> None:
    answer = client.put(address, body, "application/json")
    assert answer.status_code == 200, answer.content
