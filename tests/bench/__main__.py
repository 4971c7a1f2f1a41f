"""`make bench`: the same work through TrialSite and in bare psycopg, in one run, as ratios.

One randomization (service, commit included) beside the same rows written by SQL alone; the list of 50 participants over
HTTP (in process) beside the bare query.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import psycopg

if TYPE_CHECKING:
    from tests.conftest import Cluster

# No broker is measured here: messages wait in the process.
os.environ |= {"DJANGO_SETTINGS_MODULE": "trialsite.settings", "BROKER_URL": "memory://localhost"}
django.setup()

PARTICIPANTS = 50


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds that `work` takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def report(name: str, ours: list[float], bare: list[float]) -> None:
    """Medians of both, and their ratio."""
    mine, theirs = statistics.median(ours), statistics.median(bare)
    print(f"{name:<34}{mine:9.2f} ms {theirs:9.2f} ms bare {mine / theirs:8.1f}×   (medians of {len(ours)})")


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


def prepare() -> tuple[Any, Any, list[Any]]:
    """A hospital with 50 operated participants and an installed list."""
    from django.conf import settings

    from randomization import generation, vault
    from tests.conftest import activate, make_person
    from tests.path import walk
    from trialsite.enrollment.trial import install_list
    from trialsite.protocol.models import ProtocolVersion
    from trialsite.staff.models import system_actor

    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    version = ProtocolVersion.objects.current()
    assert version is not None
    trial = version.definition
    document = generation.demo_list(
        trial=trial.id,
        environment="demo",
        strata=[f"site={one.code}" for one in trial.sites],
        arms=(trial.arms[0].code, trial.arms[1].code),
        length=trial.total_cap,
        key=vault.key_from(settings.SEQUENCE_KEY),
    )
    install_list(actor=system_actor("system.loader"), document=document, version=version)
    people = [
        walk("operated", site=site, coordinator=coordinator, investigator=investigator)
        for _ in range(PARTICIPANTS)
    ]
    return site, coordinator, people


def main() -> None:
    """Run on an embedded server of its own, with fsync as in production."""
    from django.db import connections

    from tests.conftest import Cluster

    with tempfile.TemporaryDirectory(prefix="tsb", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), durable=True)
        cluster.start()
        try:
            name = cluster.clone()
            cluster.point_django_at(name)
            site, coordinator, people = prepare()
            with psycopg.connect(cluster.url("edc_owner", name), autocommit=True) as owner:
                owner.execute(BENCH_TABLES)
                owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO edc_app")
            print(f"{os.cpu_count()} cores, embedded PostgreSQL with fsync")
            randomizations(cluster, name, coordinator, site, people)
            lists(cluster, name, coordinator)
        finally:
            connections.close_all()
            cluster.server.stop()


def randomizations(cluster: "Cluster", name: str, coordinator: Any, site: Any, people: list[Any]) -> None:
    """One randomization, 50 times, in turn with the bare recipe."""
    from trialsite.enrollment import services

    ours, bare = [], []
    with psycopg.connect(cluster.url("edc_app", name), autocommit=True) as connection:
        for number, participant in enumerate(people, start=1):
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


def lists(cluster: "Cluster", name: str, coordinator: Any) -> None:
    """The list of 50 participants."""
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(coordinator)
    page = "/api/v1/participants/?page_size=50"
    answer = client.get(page)
    assert answer.status_code == 200, answer.content
    assert len(answer.json()["results"]) == PARTICIPANTS
    ours = [timed(lambda: client.get(page)) for _ in range(50)]
    sql = (
        "SELECT p.code, s.code, p.status, v.version, p.created_at FROM participants_participant p"
        " JOIN sites_site s ON s.id = p.site_id JOIN protocol_protocolversion v ON v.id = p.protocol_version_id"
        " ORDER BY p.code LIMIT 51"
    )

    def query() -> None:
        with connection.transaction():
            connection.execute("SELECT set_config('edc.actor', %s, true)", [str(coordinator.pk)])
            assert len(connection.execute(sql).fetchall()) == PARTICIPANTS

    with psycopg.connect(cluster.url("edc_app", name), autocommit=True) as connection:
        bare = [timed(query) for _ in range(50)]
    report("list of 50 participants", ours, bare)


main()
