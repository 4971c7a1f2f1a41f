"""The supervisor: what dies comes back, what is asked to stop stops in order, what a kill left is ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.conftest import ROOT, eventually
from trialsite.runtime import processes
from trialsite.runtime.supervisor import Child

# A child writes its pid when it starts and the moment when it was asked to stop.
CHILD = """
import os, pathlib, signal, sys, time
folder, name, stubborn = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "stubborn"
def stop(*_):
    (folder / f"{name}.stopped").write_text(str(time.monotonic()))
    if not stubborn:
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
with (folder / f"{name}.pids").open("a") as file:
    file.write(f"{os.getpid()}\\n")
while True:
    time.sleep(0.05)
"""
SUPERVISOR = """
import pathlib, signal, sys
from trialsite.runtime.supervisor import BROKER, DATABASE, Child, Supervisor
from trialsite.runtime.processes import Failed
folder, code = pathlib.Path(sys.argv[1]), sys.argv[2]
def child(name, manner, **more):
    return Child(name, [sys.executable, "-c", code, str(folder), name, manner], folder / f"{name}.log", **more)
try:
    with Supervisor(folder, report=lambda text: print(text, flush=True)) as supervisor:
        supervisor.start(child("database", "gentle", rank=DATABASE, stop_signal=signal.SIGINT))
        supervisor.start(child("broker", "gentle", rank=BROKER))
        supervisor.start(child("web", "gentle"))
        supervisor.start(child("worker", sys.argv[3]))
        supervisor.watch()
except Failed as error:
    sys.exit(f"trialsite: {error}")
"""
NAMES = ("database", "broker", "web", "worker")


class House:
    """A folder, and supervisors that were started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, manner: str = "gentle") -> "subprocess.Popen[str]":
        argv = [sys.executable, "-c", SUPERVISOR, str(self.folder), CHILD, manner]
        process = subprocess.Popen(
            argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.started.append(process)
        return process

    def pids(self, name: str) -> list[int]:
        try:
            return [int(line) for line in (self.folder / f"{name}.pids").read_text().split()]
        except OSError:
            return []

    def await_children(self, count: int = 1) -> None:
        eventually(lambda: all(len(self.pids(name)) >= count for name in NAMES))

    def stopped_at(self, name: str) -> float:
        return float((self.folder / f"{name}.stopped").read_text())

    def living(self) -> list[int]:
        return [pid for name in NAMES for pid in self.pids(name) if processes.started(pid)]


@pytest.fixture
def house(root: Path) -> Iterator[House]:
    made = House(root)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    for pid in made.living():
        processes.send(pid, signal.SIGKILL)


def test_a_dead_child_comes_back_and_the_others_stay(house: House) -> None:
    house.start()
    house.await_children()
    os.kill(house.pids("web")[0], signal.SIGKILL)
    eventually(lambda: len(house.pids("web")) == 2)
    os.kill(house.pids("database")[0], signal.SIGKILL)
    eventually(lambda: len(house.pids("database")) == 2)
    assert len(house.pids("worker")) == len(house.pids("broker")) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_everything_with_the_database_last(house: House, how: signal.Signals) -> None:
    supervisor = house.start()
    house.await_children()
    began = time.monotonic()
    supervisor.send_signal(how)
    supervisor.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert supervisor.returncode == 0
    assert house.living() == []
    assert max(NAMES, key=house.stopped_at) == "database"
    assert house.stopped_at("broker") > max(house.stopped_at("web"), house.stopped_at("worker"))


def test_a_child_that_will_not_stop_is_ended_in_time(house: House) -> None:
    supervisor = house.start("stubborn")
    house.await_children()
    began = time.monotonic()
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert house.living() == []


def test_a_second_start_says_that_the_first_runs(house: House) -> None:
    first = house.start()
    house.await_children()
    second = house.start()
    said, _ = second.communicate(timeout=10)
    assert second.returncode == 1
    assert said.startswith("trialsite: TrialSite is already running from")
    assert str(first.pid) in said
    assert len(house.living()) == 4


def test_after_a_kill_the_next_start_ends_what_was_left_and_starts_anew(house: House) -> None:
    first = house.start()
    house.await_children()
    left = house.living()
    first.kill()
    first.communicate()
    assert house.living() == left
    second = house.start()
    house.await_children(count=2)
    assert not set(left) & set(house.living())
    assert len(house.living()) == 4
    second.send_signal(signal.SIGTERM)
    said, _ = second.communicate(timeout=10)
    assert "Ending what the last run left behind: database, broker, web, worker." in said


def test_a_recorded_pid_that_belongs_to_someone_else_now_is_left_alone(house: House) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        record = [["web", 0, stranger.pid, "another boot/1", signal.SIGTERM]]
        (house.folder / "processes.json").write_text(json.dumps(record))
        house.start()
        house.await_children()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_pause_before_a_restart_grows_to_five_seconds(root: Path) -> None:
    child = Child("web", [], root / "log")
    pauses: list[float] = []
    for deaths in range(1, 9):
        child.deaths = deaths
        pauses.append(child.pause())
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.2, 5.0)
