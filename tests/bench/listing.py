"""The list of 50 participants over HTTP (in process) beside the bare query."""

import psycopg

from tests.bench.timing import Stage, report, timed


def measure(stage: Stage) -> None:
    """The list of 50 participants."""
    from django.test import Client

    cluster, name, coordinator = stage.cluster, stage.name, stage.coordinator
    client = Client(SERVER_NAME="localhost")
    client.force_login(coordinator)
    page = "/api/v1/participants/?page_size=50"
    answer = client.get(page)
    assert answer.status_code == 200, answer.content
    assert len(answer.json()["results"]) == len(stage.people)
    ours = [timed(lambda: client.get(page)) for _ in range(50)]
    sql = (
        "SELECT p.code, s.code, p.status, v.version, p.created_at FROM participants_participant p"
        " JOIN sites_site s ON s.id = p.site_id JOIN protocol_protocolversion v ON v.id = p.protocol_version_id"
        " ORDER BY p.code LIMIT 51"
    )

    def query() -> None:
        with connection.transaction():
            connection.execute("SELECT set_config('edc.actor', %s, true)", [str(coordinator.pk)])
            assert len(connection.execute(sql).fetchall()) == len(stage.people)

    with psycopg.connect(cluster.url("edc_app", name), autocommit=True) as connection:
        bare = [timed(query) for _ in range(50)]
    report("list of 50 participants", ours, bare)
