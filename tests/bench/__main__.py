"""`make bench`: the same work through TrialSite and in bare psycopg, in one run, as ratios.

Each module of this package that has `measure(stage)` stands in MEASURES; `make bench ONLY=name` runs one.
"""

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import django

# No broker is measured here: messages wait in the process.
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "trialsite.settings",
    "BROKER_URL": "memory://localhost",
    "WITNESS_FILE": "",
    "CACHE_URL": "redis://127.0.0.1:1/0",
}
django.setup()

PARTICIPANTS: Final = 50
MEASURES: Final = (
    "randomizing",
    "randomizing_http",
    "listing",
    "planning",
    "scheduling",
    "eligibility",
    "guards",
    "saving",
    "saving_http",
    "exporting",
)


def prepare() -> tuple[Any, Any, list[Any]]:
    """A hospital with 50 operated participants and an installed list."""
    from tests.conftest import activate, install_demo_list, make_person
    from tests.path import walk

    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    install_demo_list()
    people = [
        walk("operated", site=site, coordinator=coordinator, investigator=investigator)
        for _ in range(PARTICIPANTS)
    ]
    return coordinator, site, people


def main(names: list[str]) -> None:
    """Run on an embedded server of its own, with fsync as in production."""
    from django.db import connections

    from tests.bench.timing import Stage
    from tests.conftest import Cluster

    with tempfile.TemporaryDirectory(prefix="tsb", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder), durable=True)
        cluster.start()
        try:
            print(f"{os.cpu_count()} cores, embedded PostgreSQL with fsync")
            for name in names or MEASURES:
                database = cluster.clone()
                cluster.point_django_at(database)
                stage = Stage(cluster, database, *prepare())
                import_module(f"tests.bench.{name}").measure(stage)
        finally:
            connections.close_all()
            cluster.server.stop()


main(sys.argv[1:])
