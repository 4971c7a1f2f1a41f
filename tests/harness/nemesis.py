"""The nemesis: faults by a seed, one after the other, while clients work."""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

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
)


@dataclass
class Nemesis:
    """Does one of FAULTS every `every` seconds (a little more or less), until stopped; `done` counts them."""

    stage: Stage
    proxy: Proxy
    web: "subprocess.Popen[bytes]"
    step_file: Path
    seed: int
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
        first = sorted(set(FAULTS))
        self._dice.shuffle(first)
        while not self._stop.wait(self.every * (0.5 + self._dice.random())):
            fault = first.pop() if first else self._dice.choice(FAULTS)
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

    def _kill_web_worker(self) -> None:
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.web.pid)], capture_output=True, text=True, check=False
        )
        children = [int(pid) for pid in listing.stdout.split()]
        if children:
            os.kill(self._dice.choice(children), signal.SIGKILL)

    def _kill_postmaster(self) -> None:
        server = self.stage.cluster.server
        pid = int((server.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        server.start(report=lambda *_: None, within=120)
