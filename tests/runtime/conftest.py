"""Folders and processes for the runtime's tests; no Django database here."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
Manage = Callable[..., "subprocess.CompletedProcess[str]"]


def eventually(true: Callable[[], bool], *, within: float = 15) -> None:
    """Wait for something to become true; fail when it does not."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def bare_environment() -> dict[str, str]:
    """Our environment without anything that names servers, keys or places."""
    mine = (
        "DATABASE",
        "BROKER",
        "EMAIL",
        "TRIALSITE",
        "SECRET_KEY",
        "DATA_KEYS",
        "INDEX_KEYS",
        "SEQUENCE_KEY",
        "PORT",
        "BIND",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


@pytest.fixture
def root() -> Iterator[Path]:
    """An empty folder with a short path, as sockets like it."""
    folder = Path(tempfile.mkdtemp(prefix="tsr"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def manage(root: Path) -> Manage:
    """Run a management command on `root` as TRIALSITE_VAR and give back what it said."""

    def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *words],
            env=bare_environment() | {"TRIALSITE_VAR": str(root)} | env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
