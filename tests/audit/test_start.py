"""No process serves from a database whose guards were weakened: real processes, by the supervisor's command lines."""

import os
import subprocess

import psycopg
import pytest

from tests.processes import ROOT, free_port
from trialsite.runtime import commands


@pytest.mark.parametrize("name", ["web", "worker", "beat"])
def test_a_serving_process_refuses_to_start_over_a_weakened_database(committed, cluster, tmp_path, name):
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as owner:
        owner.execute("ALTER POLICY casebook_record_read ON casebook_record USING (true)")
    command = {
        "web": commands.web(bind="127.0.0.1", port=free_port()),
        "worker": commands.worker(),
        "beat": commands.beat(record=tmp_path / "beat"),
    }[name]
    environ = os.environ | {
        "TRIALSITE_VAR": str(tmp_path),
        "DATABASE_URL": cluster.url("edc_app", committed),
        "BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    ended = subprocess.run(
        commands.here(command),
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    assert "casebook_record: policy casebook_record_read: changed" in ended.stderr
