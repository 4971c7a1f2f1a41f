"""Reminders through real servers that are killed meanwhile: none twice, none after a death, all accounted for.

A PostgreSQL with fsync, a Valkey, Celery's worker and beat, an SMTP server and an SMS provider, each a process of its
own. The planner writes reminders to participants and to a coordinator; workers send them. Meanwhile worker, one of its
processes, broker and database are killed with SIGKILL in turn, and participants die or opt out. At the end the logs of
mail server and provider are held against the outbox and the trail. What came first is told by the commit timestamps of
PostgreSQL, not by clocks.
"""

import collections
import datetime as dt
import itertools
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import psycopg

from tests.processes import ROOT, eventually, free_port

if TYPE_CHECKING:
    from tests.conftest import Cluster

# Worker processes: so many messages can be between claim and fate when something is killed.
IN_FLIGHT: Final = 2
TOKEN: Final = "campaign"
TARGETS: Final = ("worker", "child", "broker", "database")


@dataclass
class Result:
    """What was found. Everything but `states`, `killed` and the numbers must be empty or within its bound."""

    planned: int = 0
    seconds: float = 0
    killed: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    states: dict[str, int] = field(default_factory=dict)
    mails: int = 0
    texts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(self.killed.values())


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


def zone_at_noon() -> str:
    """A zone whose clock shows noon or so: no quiet hours for the length of the run."""
    offset = 12 - dt.datetime.now(dt.UTC).hour
    return f"Etc/GMT{-offset:+d}" if offset else "UTC"


class People:
    """A hospital with one coordinator and participants, half of whom prefer texts, with booked and with open visits."""

    def __init__(self, messages: int) -> None:
        from tests.conftest import activate, make_person
        from trialsite.audit.context import acting
        from trialsite.enrollment.services import register
        from trialsite.outbox.services import set_preference
        from trialsite.sites.models import Site
        from trialsite.staff.models import system_actor

        self.site = activate("SHGH")
        with acting(system_actor("system.loader")):
            Site.objects.filter(pk=self.site.pk).update(timezone=zone_at_noon())
        self.site.refresh_from_db()
        self.coordinator = make_person("coordinator", self.site)
        set_preference(actor=self.coordinator, kind="digest", wanted=False)
        each = max(10, min(200, messages // 40))
        self.participants = []
        for number in range(-(-messages // each)):
            one = register(actor=self.coordinator, site=self.site, registration_key=f"campaign-{number:06d}")
            self.contact(one, number)
            self.participants.append(one)
        self._visits(each)

    def contact(self, participant: Any, number: int, **changes: Any) -> None:
        from trialsite.participants.services import set_contact

        values: dict[str, Any] = {
            "name": f"Invented {number}",
            "phone": f"139{number:08d}",
            "email": f"p{number}@patients.example",
            "language": "en",
            "channel": "sms" if number % 2 else "email",
            "contact_consent": True,
        }
        set_contact(actor=self.coordinator, participant=participant, **values | changes)

    def _visits(self, each: int) -> None:
        """Most are booked for tomorrow; those of the protocol's series open today and wait for a booking.

        The invented codes of the others stand in no message to a participant.
        """
        from trialsite.audit.context import acting
        from trialsite.core import clock
        from visits.models import Visit

        today = clock.today(self.site.timezone)
        later = today + dt.timedelta(days=5)
        tomorrow = dt.datetime.combine(
            today + dt.timedelta(days=1), dt.time(15), ZoneInfo(self.site.timezone)
        )
        visits = self.participants[0].protocol_version.definition.visits
        series = [visit.code for visit in visits if visit.kind == "series"][: each // 4]
        for participant in self.participants:
            rows = []
            for number in range(each):
                booked = number >= len(series)
                rows.append(
                    Visit(
                        participant=participant,
                        site=self.site,
                        code=f"X{number}" if booked else series[number],
                        kind="series",
                        anchor_on=today - dt.timedelta(days=30),
                        target_on=later,
                        opens_on=today,
                        closes_on=later + dt.timedelta(days=5),
                        state="booked" if booked else "expected",
                        appointment_at=tomorrow if booked else None,
                        bookings=int(booked),
                    )
                )
            with acting(self.coordinator):
                Visit.objects.bulk_create(rows)


def _again(work: Callable[[], Any]) -> None:
    """`work`, until the database lets it through."""
    from django.db import InterfaceError, OperationalError, connection

    for _ in range(200):
        try:
            work()
            return
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.1)
    raise AssertionError("the database did not come back")


def _live_and_die(people: People, stop: threading.Event, pause: float, chance: random.Random) -> None:
    """Every `pause` seconds one participant dies, withdraws or opts out, through the services: half of them at most."""
    from django.db import connections

    from trialsite.participants.services import move

    alive = list(enumerate(people.participants))
    chance.shuffle(alive)
    try:
        while len(alive) > len(people.participants) / 2 and not stop.wait(pause):
            number, participant = alive.pop()
            end = chance.choice(["dead", "withdrawn", "opted out"])
            if end == "opted out":
                _again(lambda n=number, p=participant: people.contact(p, n, opted_out=True))  # type: ignore[misc]
            else:
                _again(lambda p=participant, to=end: move(actor=people.coordinator, participant=p, to=to))  # type: ignore[misc]
    finally:
        connections.close_all()


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


def run(
    folder: Path,
    cluster: "Cluster",
    database: str,
    *,
    messages: int,
    kill_every: float,
    end_every: float,
    deadline: float,
    seed: int = 6,
    targets: Iterator[str] | None = None,
    report: Callable[[str], object] = lambda line: None,
) -> Result:
    """One campaign over `database`; `deadline` seconds after the workers start it stops waiting for the rest."""
    from django.test import override_settings

    from trialsite.outbox import rules, services
    from trialsite.staff.models import system_actor
    from visits.services import plan_reminders

    servers, chance = Servers(folder, cluster, database), random.Random(seed)
    result = Result()
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=servers.mail_port,
        SMS_URL=servers.sms_url,
        SMS_TOKEN=TOKEN,
        SMS_TIMEOUT=20,
    ):
        servers.start()
        stop = threading.Event()
        try:
            people = People(messages)
            now = dt.datetime.now(dt.UTC)
            result.planned = plan_reminders(actor=system_actor("system.reminders"), now=now)
            report(f"{result.planned} messages are planned for {len(people.participants)} participants")
            sender = system_actor("system.outbox")
            servers.start_workers()
            started = time.monotonic()
            dying = threading.Thread(target=_live_and_die, args=(people, stop, end_every, chance))
            order = targets or itertools.cycle(TARGETS)
            eventually(lambda: servers.mail_log.exists() and servers.mail_log.stat().st_size, seconds=120)
            dying.start()
            while (left := waiting(cluster, database)) and time.monotonic() - started < deadline:
                time.sleep(chance.uniform(0.5, 1.5) * kill_every)
                target = next(order, None)
                if target:
                    servers.kill(target)
                report(f"{time.monotonic() - started:7.0f} s  {left:7} left  killed: {dict(servers.killed)}")
            stop.set()
            dying.join(60)
            servers.stop_workers()
            result.seconds = time.monotonic() - started
            # What the killed left in `sending` is looked at as ten minutes later; texts that never left go out then.
            for minutes in (0, 3, 30):
                late = dt.datetime.now(dt.UTC) + rules.STALE_AFTER + dt.timedelta(minutes=minutes)
                _again(lambda at=late: services.resolve_stale(actor=sender, now=at))  # type: ignore[misc]
                if not waiting(cluster, database) or minutes:
                    _again(lambda at=late: services.send_due(actor=sender, now=at))  # type: ignore[misc]
        finally:
            stop.set()
            servers.stop()
    result.killed = dict(servers.killed)
    _judge(result, servers)
    return result


def _judge(result: Result, servers: Servers) -> None:
    """Hold the logs of the servers against the outbox and the trail."""
    import json

    from trialsite.outbox.mail import message_id
    from trialsite.outbox.sms import provider_key

    mails = collections.Counter(servers.mail_log.read_text().split()) if servers.mail_log.exists() else {}
    texts: collections.Counter[str] = collections.Counter()
    if servers.sms_log.exists():
        texts.update(json.loads(line)["key"] for line in servers.sms_log.read_text().splitlines())
    result.mails, result.texts = sum(mails.values()), texts.total()
    with psycopg.connect(servers.cluster.url("postgres", servers.database)) as database:
        rows = database.execute("SELECT id, key, state, recipient FROM outbox_message").fetchall()
        answers = database.execute(
            "SELECT answer, count(*) FROM outbox_message WHERE state = 'uncertain' GROUP BY 1"
        ).fetchall()
        claimed: dict[str, dt.datetime] = dict(database.execute(_CLAIMS).fetchall())
        ended: dict[str, dt.datetime] = dict(database.execute(_ENDS).fetchall())
    result.ended = len(ended)
    result.states = dict(collections.Counter(state for _, _, state, _ in rows))
    known = {message_id(key) for _, key, _, _ in rows} | {provider_key(key) for _, key, _, _ in rows}
    result.wrong += [
        f"the server has {name}, which we do not know" for name in (set(mails) | set(texts)) - known
    ]
    for pk, key, state, recipient in rows:
        arrived = mails.get(message_id(key), 0) + texts[provider_key(key)]
        if arrived > 1:
            result.wrong.append(f"{key} arrived {arrived} times")
        if state not in ("sent", "cancelled", "failed", "uncertain"):
            result.wrong.append(f"{key} is left {state}")
        if arrived != {"sent": 1, "uncertain": min(arrived, 1)}.get(state, 0):
            result.wrong.append(f"{key} is {state} and arrived {arrived} times")
        end = ended.get(recipient)
        if arrived and end and claimed[str(pk)] > end:
            result.wrong.append(f"{key} was claimed after its recipient had died, withdrawn or opted out")
    uncertain = result.states.get("uncertain", 0)
    if uncertain > result.kills * IN_FLIGHT:
        result.wrong.append(
            f"{uncertain} uncertain after {result.kills} kills of {IN_FLIGHT} in flight: {answers}"
        )


_COMMITTED = "pg_xact_commit_timestamp((xid % 4294967296)::text::xid)"
# The last claim of each message, and the first end of each participant, by commit.
_CLAIMS = f"""
SELECT row_key, max({_COMMITTED}) FROM audit_event
 WHERE table_name = 'outbox_message' AND changes -> 'state' ->> 1 = 'sending' GROUP BY row_key
"""
_ENDS = f"""
SELECT 'participant:' || participant_id, min({_COMMITTED}) FROM audit_event
 WHERE table_name = 'participants_participant' AND changes -> 'status' ->> 1 IN ('dead', 'withdrawn')
    OR table_name = 'participants_contact' AND changes -> 'opted_out' ->> 1 = 'true'
 GROUP BY participant_id
"""


def keep_commit_times(cluster: "Cluster") -> None:
    """Let the server remember when each transaction committed."""
    cluster.admin("ALTER SYSTEM SET track_commit_timestamp = on")
    cluster.server.stop()
    cluster.server.start(report=lambda *_: None)


@contextmanager
def _stage() -> Iterator[tuple[Path, Any, str]]:
    """A server of its own, with fsync."""
    from django.db import connections

    from tests.conftest import Cluster

    with tempfile.TemporaryDirectory(prefix="tsc", ignore_cleanup_errors=True) as name:
        cluster = Cluster(Path(name), durable=True)
        cluster.start()
        try:
            keep_commit_times(cluster)
            database = cluster.clone()
            cluster.point_django_at(database)
            yield Path(name) / "c", cluster, database
        finally:
            connections.close_all()
            cluster.server.stop()


def main(minutes: float, messages: int = 100_000) -> bool:
    """`messages` reminders, something killed every 20 seconds, for `minutes` at most; whether it failed.

    What is still waiting when the time is over is counted as left, honestly: give it the time that it needs.
    """
    messages = int(os.environ.get("MESSAGES", messages))
    with _stage() as (folder, cluster, database):
        folder.mkdir()
        found = run(
            folder,
            cluster,
            database,
            messages=messages,
            kill_every=20,
            end_every=max(2, minutes * 60 / 120),
            deadline=minutes * 60,
            report=lambda line: print(line, flush=True),
        )
    rate = (found.mails + found.texts) / max(found.seconds, 1)
    print(
        f"{found.planned} planned; {found.mails} mails and {found.texts} texts arrived ({rate:.0f} a second)"
    )
    print(
        f"states {found.states}; killed {found.killed}; {found.ended} participants died, withdrew or opted out"
    )
    left = [line for line in found.wrong if "is left pending" in line]
    print(f"{len(left)} not reached in {minutes} minutes")
    print("wrong:", [line for line in found.wrong if line not in left] or "nothing")
    return len(left) < len(found.wrong)
