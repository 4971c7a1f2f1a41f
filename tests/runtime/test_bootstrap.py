"""The way from a bare machine to an environment: what is missing is said in one sentence."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.conftest import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make up` finds in a fresh clone, with a `python3` of our own in front."""
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    return tmp_path


def up(clone: Path, python: str) -> str:
    """Run `make up` with this shell script as python; returns what it said on the error stream."""
    fake = clone / "fake-python"
    fake.write_text(f"#!/bin/sh\n{python}\n")
    fake.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "up", f"PYTHON={fake}"], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert not (clone / ".venv").exists()
    return done.stderr


def test_an_old_python_is_named(clone: Path) -> None:
    said = up(clone, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    assert "Python 3.9.2 is too old; Python 3.11 or newer is needed" in said


def test_a_missing_venv_module_is_named_with_its_package(clone: Path) -> None:
    said = up(clone, 'case "$2" in *ensurepip*) exit 1;; esac')
    assert "apt install python3-venv" in said


def test_no_python_at_all_is_said(clone: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "up", "PYTHON=no-such-python"],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no-such-python was not found" in done.stderr
    assert done.returncode != 0
