"""The nemesis: faults by a seed, one after the other, while clients work."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
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


@dataclass
class Nemesis:
    """Does one of FAULTS every `every` seconds (a little more or less), until stopped; `done` counts them.

    `old` is a copy of the data folder from before the first allocation, `disk` what can be filled (None: left out).
    `quiet` is held by whoever writes to the database besides the clients.
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

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._dice = random.Random(f"nemesis-{self.seed}")

    def __enter__(self) -> "Nemesis":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        # Every kind once, in an order by the seed, so that a short run meets all of them; then at random.
        faults = [fault for fault in FAULTS if self.disk or fault != "disk full"]
        first = sorted(set(faults))
        self._dice.shuffle(first)
        while not self._stop.wait(self.every * (0.5 + self._dice.random())):
            fault = first.pop() if first else self._dice.choice(faults)
            with contextlib.suppress(psycopg.OperationalError):
                self._do(fault)
                self.done[fault] += 1

    def _do(self, fault: str) -> None:
        match fault:
            case "killed backend":
                with psycopg.connect(self.stage.cluster.url("postgres", "postgres")) as line:
                    line.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE usename = 'edc_app' ORDER BY random() LIMIT 2"
                    )
            case "cut before commit" | "cut after commit":
                self.proxy.cut = fault.split()[1]
            case "clock step":
                self.step_file.write_text(str(self._dice.choice((-7200, -1, 0, 1, 3600))))
            case "killed web worker":
                self._kill_web_worker()
            case "killed postmaster":
                self._kill_postmaster()
            case "disk full":
                self._fill_disk()
            case "old backup":
                with self.quiet:
                    self._restore_old_backup()

    def _kill_web_worker(self) -> None:
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.web.pid)], capture_output=True, text=True, check=False
        )
        children = [int(pid) for pid in listing.stdout.split()]
        if children:
            os.kill(self._dice.choice(children), signal.SIGKILL)

    def _fill_disk(self) -> None:
        """Not a byte is left for a while; the server may stop over it, and starts again once there is room."""
        assert self.disk
        self.disk.fill()
        time.sleep(1 + self._dice.random())
        self.disk.free()
        self.stage.cluster.server.start(report=lambda *_: None, within=120)

    def _allocated(self) -> bool:
        """Waits for the first allocation: before it the old folder is the newest."""
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            with psycopg.connect(self.stage.cluster.url("postgres", self.stage.name)) as line:
                if line.execute("SELECT position > 0 FROM randomization_scheme").fetchone() == (True,):
                    return True
            time.sleep(0.1)
        return False

    def _restore_old_backup(self) -> None:
        """Put the old folder in place, let the clients ask it for a while, then bring the newest back.

        What the old one acknowledged would be lost then: the checker would miss it. Nothing is lost by the exchange
        itself, as with an operator who finds the newer backup.
        """
        if not self._allocated():
            return
        server = self.stage.cluster.server
        newest = server.folder.with_name("newest")
        server.stop()
        server.folder.rename(newest)
        try:
            shutil.copytree(self.old, server.folder)
            server.start(report=lambda *_: None, within=120)
            time.sleep(1.5 + self._dice.random())
            server.stop()
        finally:
            shutil.rmtree(server.folder, ignore_errors=True)
            newest.rename(server.folder)
            server.start(report=lambda *_: None, within=120)

    def _kill_postmaster(self) -> None:
        server = self.stage.cluster.server
        pid = int((server.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        server.start(report=lambda *_: None, within=120)
