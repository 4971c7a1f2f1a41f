"""The harness on itself and on the service: planted bugs are caught, the service stands under faults."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any, cast

import pytest

from tests.conftest import pointing_at
from tests.harness import bugs, nemesis, run, stage
from tests.harness.clients import Clients

PARTICIPANTS = 24


@pytest.fixture(scope="module")
def made(cluster, django_db_setup, django_db_blocker) -> Iterator[stage.Stage]:
    """The stage that every run with a planted bug has a copy of."""
    name = cluster.clone()
    with django_db_blocker.unblock(), pointing_at(cluster, name):
        yield stage.prepare(cluster, name, participants=PARTICIPANTS)
    cluster.drop(name)


@pytest.fixture
def with_bug(made, cluster, django_db_blocker) -> Callable[..., run.Report]:
    """A run on a fresh copy of the stage."""

    def work(bug: str, seed: int, **how) -> run.Report:
        name = cluster.clone(made.name)
        with contextlib.ExitStack() as stack:
            stack.callback(cluster.drop, name)
            stack.enter_context(django_db_blocker.unblock())
            stack.enter_context(pointing_at(cluster, name))
            return run.with_bug(replace(made, name=name, caps={}), bug=bug, seed=seed, **how)

    return work


@pytest.mark.parametrize("bug", sorted(bugs.BUGS))
def test_a_planted_bug_is_caught_by_the_invariant_that_it_breaks(with_bug, bug):
    report = with_bug(bug, seed=7)
    assert bugs.CAUGHT_BY[bug] in report.broken, str(report)


@pytest.mark.parametrize("bug", ["dropped constraint", "read max", "skip locked"])
def test_a_race_is_lost_again_from_its_seed(with_bug, bug):
    """What hangs on threads too; the others hit whom the seed says, and that is told below."""
    assert bugs.CAUGHT_BY[bug] in with_bug(bug, seed=7).broken


def test_the_bugs_are_those_that_others_have_and_every_invariant_catches_one():
    wanted = {"read max", "sequence", "skip locked", "answer before commit", "dropped constraint"}
    assert wanted | {"lost notification"} <= set(bugs.BUGS) == set(bugs.CAUGHT_BY)
    assert len(bugs.BUGS) > 12
    assert set(bugs.CAUGHT_BY.values()) == {f"I{number}" for number in range(1, 11)}


def test_without_a_bug_nothing_is_found(with_bug, monkeypatch):
    monkeypatch.setitem(bugs.BUGS, "none", lambda chance: [])
    report = with_bug("none", seed=7)
    assert (report.found, report.allocations) == ([], PARTICIPANTS), str(report)


def test_what_a_dropped_constraint_lets_through_is_an_error_while_it_stands(with_bug):
    """The lock is gone either way: the constraint makes of the race an error, never a second allocation."""
    report = with_bug("dropped constraint", seed=7, opened=bugs.DOORS)
    assert report.found == [], str(report)
    assert report.allocations > 0, str(report)
    assert report.refused["500"] > 0, str(report)


def test_a_seed_decides_what_is_done_to_whom():
    """Threads come as they like; faults, bugs and what a client does for a participant do not depend on them."""

    def faults(seed: int) -> list[tuple[str, float, float]]:
        steps = islice(nemesis.plan(seed, nemesis.FAULTS), 50)
        return [(step.fault, step.pause, step.chance.random()) for step in steps]

    def habits(seed: int) -> list[float]:
        clients = Clients(lambda: ("", 0), {}, seed)
        return [clients.dice(f"01-{number}").random() for number in range(50)]

    def hits(seed: int) -> list[float]:
        chance = bugs.chance_of(seed)
        return [chance("site=SHGH", number) for number in range(50)]

    for decided in (faults, habits, hits):
        assert decided(11) == decided(11) != decided(12)
    assert {fault for fault, *_ in faults(11)[: len(set(nemesis.FAULTS))]} == set(nemesis.FAULTS)


class _Nobody:
    """A proxy by which no COMMIT comes, a web server without workers, a die that falls as told."""

    cut, pid = "", 2**22 + 1

    def __init__(self, falls: int = 0) -> None:
        self.cuts = {"before": 0, "after": 0}
        self.falls = falls

    def choice(self, _: object) -> int:
        return self.falls


def test_a_fault_that_finds_nothing_to_break_is_not_counted(cluster, tmp_path):
    here, nobody = stage.Stage(cluster, "none", [], {}, {}, {}, {}), cast(Any, _Nobody())
    work = nemesis.Nemesis(here, nobody, nobody, tmp_path / "step", 1, tmp_path, None, threading.Lock())
    assert not work._do("killed backend", Random(1)), "nobody is at work"
    assert not work._do("cut before commit", Random(1))
    assert not work._do("killed web worker", Random(1))
    steps = [work._do("clock step", cast(Any, _Nobody(falls))) for falls in (0, 3600, 3600, 0)]
    assert steps == [False, True, False, True]
    assert work.omitted == ("disk full",)
    report = run.Report(
        1, 0, 0, 0, 0, 0, Counter(), Counter({"killed backend": 2}), work.omitted, Counter(), []
    )
    assert "faults: none; without effect: 2 killed backend; LEFT OUT: disk full;" in str(report)


def test_the_service_stands_under_faults(committed, cluster):
    report = run.with_faults(seed=11, seconds=12, participants=400, like=cluster)
    print(report)
    assert report.found == [], str(report)
    assert report.allocations > 5, str(report)
    # Whatever was killed or cut is told as an outage: no fault makes the service fail.
    assert not [refusal for refusal in report.refused if refusal.startswith("500")], str(report)
    assert set(report.faults) >= {"killed backend", "killed postmaster", "old backup"}, str(report)
