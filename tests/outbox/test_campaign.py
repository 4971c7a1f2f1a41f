"""The bounded run of `make campaign ONLY=messages`: a few hundred messages, each kind of server killed once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from tests.campaign.killing import TARGETS, keep_commit_times
from tests.campaign.messages import run
from tests.conftest import Cluster
from trialsite.runtime.postgres import _unprivileged, tool

MESSAGES = 240


@pytest.fixture
def crashing(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Cluster]]:
    """A copy of the suite's server that may be killed: with fsync, and with commit times."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tsk", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder), durable=True)
        argv = [tool("pg_basebackup"), "-D", str(made.server.folder), "-h", str(cluster.folder / "s")]
        argv += ["-U", "postgres", "-c", "fast", "-X", "stream"]
        subprocess.run(_unprivileged(argv), check=True, capture_output=True)
        made.server.start(report=lambda *_: None)
        keep_commit_times(made)
        try:
            yield Path(folder) / "c", made
        finally:
            made.server.stop()


@pytest.mark.acceptance
def test_killed_servers_make_no_message_arrive_twice_or_after_a_death(
    crashing, cluster, django_db_setup, django_db_blocker
):
    folder, made = crashing
    folder.mkdir()
    before = connections.settings["default"] | {}
    with django_db_blocker.unblock():
        database = made.clone()
        made.point_django_at(database)
        try:
            found = run(
                folder,
                made,
                database,
                messages=MESSAGES,
                kill_every=0.8,
                end_every=0.5,
                deadline=60,
                targets=iter(TARGETS),
            )
        finally:
            connections["default"].close()
            connections.settings["default"].update(before)
    assert found.wrong == []
    assert (found.planned, found.kills) == (MESSAGES, len(TARGETS))
    assert found.ended
    assert found.states["sent"] > MESSAGES / 3
    assert found.mails
    assert found.texts
