"""The nemesis: faults by a seed, one after the other, while clients work."""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from tests.harness.disk import Disk
from tests.harness.proxy import Proxy
from tests.harness.stage import Stage

FAULTS = (
    "killed backend",
    "killed backend",
    "cut before commit",
    "cut before commit",
    "cut after commit",
    "cut after commit",
    "clock step",
    "killed web worker",
    "killed postmaster",
    "disk full",
    "old backup",
)


@dataclass(frozen=True)
class Step:
    """One fault: after a pause of `pause` times the usual one; `chance` decides its details."""

    fault: str
    pause: float
    chance: random.Random


def plan(seed: int, faults: Sequence[str]) -> Iterator[Step]:
    """What a seed makes the nemesis do: every kind once, so that a short run meets all of them; then at random."""
    dice = random.Random(f"nemesis-{seed}")
    first = sorted(set(faults))
    dice.shuffle(first)
    for number in count():
        fault = first.pop() if first else dice.choice(faults)
        yield Step(fault, 0.5 + dice.random(), random.Random(f"nemesis-{seed}-{number}"))


@dataclass
class Nemesis:
    """Does what `plan` says, a fault every `every` seconds (a little more or less), until stopped.

    `done` counts the faults that took effect, `idle` those that did not: no backend was at work, no COMMIT came by, and
    the like. `old` is a copy of the data folder from before the first allocation, `disk` what can be filled (None: left
    out). `quiet` is held by whoever writes to the database besides the clients.
    """

    stage: Stage
    proxy: Proxy
    web: "subprocess.Popen[bytes]"
    step_file: Path
    seed: int
    old: Path
    disk: Disk | None
    quiet: threading.Lock
    every: float = 0.4
    done: Counter[str] = field(default_factory=Counter)
    idle: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._failed: Exception | None = None

    def __enter__(self) -> "Nemesis":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._failed:
            raise self._failed

    @property
    def omitted(self) -> tuple[str, ...]:
        """The kinds of faults that cannot be had here."""
        return () if self.disk else ("disk full",)

    @property
    def met(self) -> bool:
        """Whether every kind of fault that can be had was tried, or none comes any more."""
        return not self._thread.is_alive() or {*self.done, *self.idle, *self.omitted} >= set(FAULTS)

    def _work(self) -> None:
        for step in plan(self.seed, [fault for fault in FAULTS if fault not in self.omitted]):
            if self._stop.wait(self.every * step.pause):
                return
            try:
                took = self._do(step.fault, step.chance)
            except psycopg.OperationalError:
                took = False
            except Exception as error:  # noqa: BLE001 -- raised again where the run ends
                self._failed = error
                return
            (self.done if took else self.idle)[step.fault] += 1

    def _do(self, fault: str, chance: random.Random) -> bool:
        """Whether the fault took effect."""
        match fault:
            case "killed backend":
                return _within(1, self._kill_backends)
            case "cut before commit" | "cut after commit":
                return self._cut(fault.split()[1])
            case "clock step":
                return self._step_clock(chance)
            case "killed web worker":
                return self._kill_web_worker(chance)
            case "killed postmaster":
                return self._kill_postmaster()
            case "disk full":
                return self._fill_disk(chance)
            case _:
                with self.quiet:
                    return self._restore_old_backup(chance)

    def _kill_backends(self) -> bool:
        """One or two that are within a transaction: an idle one is not missed by anybody."""
        with psycopg.connect(self.stage.cluster.url("postgres", "postgres")) as line:
            killed = line.execute(
                "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
                " WHERE usename = 'edc_app' AND xact_start IS NOT NULL ORDER BY random() LIMIT 2) busy"
            ).fetchone()
        return bool(killed and killed[0])

    def _cut(self, where: str) -> bool:
        before = self.proxy.cuts[where]
        self.proxy.cut = where
        took = _within(2, lambda: self.proxy.cuts[where] > before)
        self.proxy.cut = ""
        return took or self.proxy.cuts[where] > before

    def _step_clock(self, chance: random.Random) -> bool:
        before = self.step_file.read_text() if self.step_file.exists() else "0"
        after = str(chance.choice((-7200, -1, 0, 1, 3600)))
        self.step_file.write_text(after)
        return after != before

    def _kill_web_worker(self, chance: random.Random) -> bool:
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.web.pid)], capture_output=True, text=True, check=False
        )
        children = sorted(int(pid) for pid in listing.stdout.split())
        try:
            os.kill(chance.choice(children), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            return False
        return True

    def _fill_disk(self, chance: random.Random) -> bool:
        """Not a byte is left for a while; the server may stop over it, and starts again once there is room."""
        assert self.disk
        self.disk.fill()
        full = self.disk.is_full()
        time.sleep(1 + chance.random())
        self.disk.free()
        self.stage.cluster.server.start(report=lambda *_: None, within=120)
        return full

    def _allocated(self) -> bool:
        """Whether there is an allocation: before the first one the old folder is the newest."""
        with psycopg.connect(self.stage.cluster.url("postgres", self.stage.name)) as line:
            return line.execute("SELECT position > 0 FROM randomization_scheme").fetchone() == (True,)

    def _restore_old_backup(self, chance: random.Random) -> bool:
        """Put the old folder in place, let the clients ask it for a while, then bring the newest back.

        What the old one acknowledged would be lost then: the checker would miss it. Nothing is lost by the exchange
        itself, as with an operator who finds the newer backup.
        """
        if not _within(5, self._allocated):
            return False
        server = self.stage.cluster.server
        newest, copy = server.folder.with_name("newest"), self.old.with_name("put-back")
        server.stop()
        server.folder.rename(newest)
        try:
            # Beside the small disk, on which there is no room for both after a long run.
            shutil.copytree(self.old, copy)
            server.folder.symlink_to(copy)
            server.start(report=lambda *_: None, within=120)
            time.sleep(1.5 + chance.random())
            server.stop()
        finally:
            server.folder.unlink(missing_ok=True)
            shutil.rmtree(copy, ignore_errors=True)
            newest.rename(server.folder)
            server.start(report=lambda *_: None, within=120)
        return True

    def _kill_postmaster(self) -> bool:
        server = self.stage.cluster.server
        pid = int((server.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        server.start(report=lambda *_: None, within=120)
        return True


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether `holds` comes true within that time."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
