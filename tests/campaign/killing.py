"""The servers of the campaign over messages: started, killed with SIGKILL in turn, started again."""

import collections
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from tests.processes import ROOT, free_port

if TYPE_CHECKING:
    from tests.conftest import Cluster

TOKEN: Final = "campaign"
TARGETS: Final = ("worker", "child", "broker", "database")


class Servers:
    """The processes that are killed and started again."""

    def __init__(self, folder: Path, cluster: "Cluster", database: str) -> None:
        from trialsite.runtime.places import Places
        from trialsite.runtime.valkey import Valkey

        self.folder, self.cluster, self.database = folder, cluster, database
        self.places = Places(folder / "var")
        self.places.make()
        self.valkey = Valkey(self.places.valkey, self.places.valkey_socket)
        self.mail_log, self.sms_log = folder / "mails.log", folder / "texts.log"
        self.mail_port, self.sms_port = free_port(), free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: collections.Counter[str] = collections.Counter()
        self.environ = os.environ | {
            "TRIALSITE_VAR": str(folder / "var"),
            "DATABASE_URL": cluster.url("edc_app", database),
            "BROKER_URL": self.places.broker_url,
            "CACHE_URL": self.places.broker_url,
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mail_port}",
            "SMS_URL": self.sms_url,
            "SMS_TOKEN": TOKEN,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PLAN_EVERY_SECONDS": "1",
        }

    @property
    def sms_url(self) -> str:
        return f"http://127.0.0.1:{self.sms_port}/v1/messages"

    def start(self) -> None:
        """Everything but the workers."""
        self._spawn("mail", ["-m", "tests.campaign.mailserver", str(self.mail_port), str(self.mail_log)])
        self._spawn("sms", ["-m", "tests.outbox.smsserver", str(self.sms_port), str(self.sms_log)])
        self.valkey.start()

    def start_workers(self) -> None:
        from trialsite.runtime import commands

        self._spawn("worker", commands.worker()[1:])
        self._spawn("beat", commands.beat(record=self.places.beat)[1:])

    def kill(self, target: str) -> None:
        """SIGKILL, and what a supervisor does after it."""
        self.killed[target] += 1
        if target == "worker":
            os.killpg(self.running["worker"].pid, signal.SIGKILL)
            self.running["worker"].wait()
            from trialsite.runtime import commands

            self._spawn("worker", commands.worker()[1:])
        elif target == "child":
            children = Path(f"/proc/{self.running['worker'].pid}/task/{self.running['worker'].pid}/children")
            for child in children.read_text().split()[:1]:
                os.kill(int(child), signal.SIGKILL)
        elif target == "broker":
            process = self.valkey._process
            assert process is not None
            process.kill()
            process.wait()
            self.valkey._process = None
            self.valkey.start()
        else:
            pid = self.cluster.server._postmaster()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            self.cluster.server.start(report=lambda *_: None)

    def stop_workers(self) -> None:
        for name in ("beat", "worker"):
            process = self.running.pop(name)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def stop(self) -> None:
        for process in self.running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.valkey.stop()

    def _spawn(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *words],
                env=self.environ,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def waiting(cluster: "Cluster", database: str) -> int:
    """Messages that no worker has settled and that no fate is known of; −1 while the database is away."""
    try:
        with psycopg.connect(cluster.url("postgres", database), connect_timeout=2) as connection:
            row = connection.execute(
                "SELECT count(*) FROM outbox_message WHERE state = 'pending' AND due_at <= now() + interval '1 hour'"
            ).fetchone()
            return int(row[0]) if row else -1
    except psycopg.OperationalError:
        return -1


def keep_commit_times(cluster: "Cluster") -> None:
    """Let the server remember when each transaction committed."""
    cluster.admin("ALTER SYSTEM SET track_commit_timestamp = on")
    cluster.server.stop()
    cluster.server.start(report=lambda *_: None)
