"""`manage.py up` as a person meets it: first start, kill -9, a later start that recovers, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.conftest import ROOT, bare_environment, eventually
from tests.runtime.test_up import free_port
from trialsite.runtime import probe, processes


class Up:
    """One `manage.py up` in the training environment, which fills in no demo."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.log = root / "up.log"
        env = {"TRIALSITE_VAR": str(root), "TRIALSITE_ENV": "training", "PORT": str(port)}
        with self.log.open("w") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=bare_environment() | env,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        try:
            # The first start migrates; on a loaded machine that takes its time, and no limit is promised for it.
            eventually(self._settled, within=180)
        except AssertionError:
            self.interrupt()
            raise
        assert self.process.poll() is None, self.said()

    def _settled(self) -> bool:
        return "Ctrl-C stops everything." in self.said() or self.process.poll() is not None

    def said(self) -> str:
        return self.log.read_text()

    def answers(self, path: str = "/healthz/ready") -> bool:
        return probe.healthy(bind="127.0.0.1", port=self.port, hosts=["localhost"], path=path)

    def children(self) -> dict[str, int]:
        return {name: pid for name, _, pid, _, _ in json.loads((self.root / "processes.json").read_text())}

    def interrupt(self) -> float:
        """Ctrl-C; returns the seconds until everything was down."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=20) == 0
        return time.monotonic() - began


@pytest.fixture
def life(root: Path) -> Iterator[list[Up]]:
    runs: list[Up] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            run.interrupt()


def test_from_the_first_start_to_the_recovery_after_a_kill(root: Path, life: list[Up]) -> None:
    port = free_port()
    first = Up(root, port)
    life.append(first)
    assert "Preparing the database …" in first.said()
    assert first.answers()
    children = first.children()
    assert list(children) == ["PostgreSQL", "Valkey", "web", "worker", "beat"]
    for name in ("web", "worker", "beat"):
        environment = Path(f"/proc/{children[name]}/environ")
        assert not environment.exists() or b"DATABASE_OWNER_URL" not in environment.read_bytes()
    os.kill(children["web"], signal.SIGKILL)
    eventually(lambda: first.children().get("web") != children["web"] and first.answers())
    last = first.children()
    first.process.kill()
    first.process.wait()
    assert all(processes.started(pid) for pid in last.values())

    second = Up(root, port)
    life.append(second)
    assert "Preparing the database …" not in second.said()
    assert "Ending what the last run left behind" in second.said()
    assert not [name for name, pid in last.items() if processes.started(pid)]
    assert second.answers()
    left = second.children()
    assert second.interrupt() < 2.5
    assert not [name for name, pid in left.items() if processes.started(pid)]
