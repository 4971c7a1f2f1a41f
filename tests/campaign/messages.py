"""Reminders through real servers that are killed meanwhile: none twice, none after a death, all accounted for.

A PostgreSQL with fsync, a Valkey, Celery's worker and beat, an SMTP server and an SMS provider, each a process of its
own (`killing`). The planner writes reminders to participants and to a coordinator (`people`); workers send them.
Meanwhile worker, one of its processes, broker and database are killed with SIGKILL in turn, and participants die or opt
out. At the end the logs of mail server and provider are held against the outbox and the trail (`judging`). What came
first is told by the commit timestamps of PostgreSQL, not by clocks.
"""

import datetime as dt
import itertools
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.campaign.judging import Result, judge
from tests.campaign.killing import TARGETS, TOKEN, Servers, keep_commit_times, waiting
from tests.campaign.people import People, again, live_and_die
from tests.processes import eventually

if TYPE_CHECKING:
    from tests.conftest import Cluster


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
            dying = threading.Thread(target=live_and_die, args=(people, stop, end_every, chance))
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
                again(lambda at=late: services.resolve_stale(actor=sender, now=at))  # type: ignore[misc]
                if not waiting(cluster, database) or minutes:
                    again(lambda at=late: services.send_due(actor=sender, now=at))  # type: ignore[misc]
        finally:
            stop.set()
            servers.stop()
    result.killed = dict(servers.killed)
    judge(result, servers)
    return result


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
    """`messages` reminders, for `minutes` at most; whether it failed. Something is killed every 20 seconds, in runs of
    more than 20 minutes every sixtieth of them.

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
            kill_every=max(20, minutes * 60 / 60),
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
