"""A hospital A with a randomized participant, and a hospital B, on an embedded server of the campaign's own."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core import mail


@dataclass(frozen=True)
class Stage:
    """The cluster, the database on it, the participant of A and two coordinators."""

    cluster: Any
    database: str
    participant: Any
    owner: Any
    stranger: Any


@contextlib.contextmanager
def ground() -> Iterator[tuple[Any, str]]:
    """A cluster of the campaign's own and a database on it, at which Django points; all is gone afterwards."""
    from django.db import connections
    from django.test.utils import setup_test_environment

    from tests.conftest import Cluster

    # The test client asks for a host of its own, and mail goes nowhere.
    if not hasattr(mail, "outbox"):
        setup_test_environment()
    with tempfile.TemporaryDirectory(prefix="tsc", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder))
        cluster.start()
        try:
            database = cluster.clone()
            cluster.point_django_at(database)
            yield cluster, database
        finally:
            connections.close_all()
            cluster.server.stop()


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Everything is gone afterwards."""
    from tests.conftest import activate, make_person
    from tests.path import walk

    with ground() as (cluster, database):
        here, there = activate("SHGH"), activate("SMU3")
        owner, stranger = make_person("coordinator", here), make_person("coordinator", there)
        participant = walk(
            "operated", site=here, coordinator=owner, investigator=make_person("investigator", here)
        )
        yield Stage(cluster, database, participant, owner, stranger)
