"""Real processes for tests: gunicorn, Celery worker and beat, Valkey, over a cloned database."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trialsite.runtime import commands
from trialsite.runtime.places import Places
from trialsite.runtime.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(check, *, seconds: float = 30, every: float = 0.1):
    """The first true value of `check()`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came within {seconds} s")
        time.sleep(every)


@dataclass
class Running:
    """A whole deployment: its address and the log of each process."""

    url: str
    logs: Path

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(encoding="utf-8")


@contextlib.contextmanager
def deployment(folder: Path, *, database_url: str, email_url: str, plan_every: int = 60) -> Iterator[Running]:
    """Web, worker and beat over `database_url`, with a broker of their own; all ended at exit.

    `plan_every` is in seconds: every round costs what a page costs, so few tests have it run all the time.
    """
    port = free_port()
    places = Places(folder)
    places.make()
    valkey = Valkey(places.valkey, places.valkey_socket)
    valkey.start()
    environ = os.environ | {
        "TRIALSITE_VAR": str(folder),
        "DATABASE_URL": database_url,
        "BROKER_URL": places.broker_url,
        "EMAIL_URL": email_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PLAN_EVERY_SECONDS": str(plan_every),
    }
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in (
            ("web", commands.web(bind="127.0.0.1", port=port)),
            ("worker", commands.worker()),
            ("beat", commands.beat(record=places.beat)),
        ):
            with (places.logs / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        commands.here(command),
                        env=environ,
                        cwd=ROOT,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        running = Running(f"http://127.0.0.1:{port}", places.logs)
        eventually(lambda: _answers(f"{running.url}/healthz/ready"), seconds=60)
        yield running
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        valkey.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
