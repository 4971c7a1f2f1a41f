"""One randomization (service, commit included) beside the same rows written by SQL alone."""

from functools import partial
from typing import Any

import psycopg

from tests.bench.timing import Stage, report, timed


def bare_allocate(
    connection: psycopg.Connection[Any], actor: int, participant: int, site: int, number: int
) -> None:
    """The recipe in SQL alone, against tables of its own with the same keys and the same audit trigger."""
    with connection.transaction():
        connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor)])
        connection.execute("SELECT position FROM bench_scheme WHERE id = 1 FOR UPDATE")
        connection.execute("SELECT 1 FROM bench_allocation WHERE participant_id = %s", [participant])
        connection.execute("SELECT 1 FROM bench_allocation WHERE idempotency_key = %s", [f"bench-{number}"])
        index = connection.execute(
            "UPDATE bench_stratum SET next_index = next_index + 1 WHERE id = 1 RETURNING next_index - 1"
        ).fetchone()
        assert index
        connection.execute("UPDATE bench_scheme SET position = position + 1 WHERE id = 1")
        connection.execute(
            "INSERT INTO bench_allocation (participant_id, site_id, index, arm, idempotency_key, position)"
            " VALUES (%s, %s, %s, 'A', %s, %s)",
            [participant, site, index[0], f"bench-{number}", index[0]],
        )
        connection.execute("INSERT INTO bench_message (key) VALUES (%s)", [f"bench-{number}"])


BENCH_TABLES = """
CREATE TABLE bench_scheme (id int PRIMARY KEY, position int);
CREATE TABLE bench_stratum (id int PRIMARY KEY, next_index int);
CREATE TABLE bench_allocation (id bigserial PRIMARY KEY, participant_id bigint UNIQUE, site_id bigint, index int UNIQUE,
    arm text, idempotency_key text UNIQUE, position int UNIQUE);
CREATE TABLE bench_message (id bigserial PRIMARY KEY, key text UNIQUE);
INSERT INTO bench_scheme VALUES (1, 0);
INSERT INTO bench_stratum VALUES (1, 1);
CREATE TRIGGER bench_trail AFTER INSERT OR UPDATE ON bench_allocation FOR EACH ROW EXECUTE FUNCTION edc_trail('id');
"""


def measure(stage: Stage) -> None:
    """One randomization, 50 times, in turn with the bare recipe."""
    from trialsite.enrollment import services

    cluster, name, coordinator, site = stage.cluster, stage.name, stage.coordinator, stage.site
    with psycopg.connect(cluster.url("edc_owner", name), autocommit=True) as owner:
        owner.execute(BENCH_TABLES)
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO edc_app")
    ours, bare = [], []
    with psycopg.connect(cluster.url("edc_app", name), autocommit=True) as connection:
        for number, participant in enumerate(stage.people, start=1):
            randomize = partial(
                services.randomize,
                actor=coordinator,
                participant=participant,
                idempotency_key=f"bench-{number:06d}",
            )
            ours.append(timed(randomize))
            bare.append(
                timed(partial(bare_allocate, connection, coordinator.pk, participant.pk, site.pk, number))
            )
    report("one randomization", ours, bare)
