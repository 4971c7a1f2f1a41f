"""Randomizations over HTTP with 4 and 32 clients, beside bare psycopg with 32 connections.

Bare twice: the recipe alone, which is an allocation and its messages; and the very statements that the step sends,
visits and checks included, recorded from it and replayed as serving connections send them: bound by the server and
prepared. Each is undone so that it can be sent again, and then something is committed, so that it waits for the disk
as an allocation does. The server writes its witness, as production must.
"""

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from django.db.backends.postgresql.psycopg_any import get_adapters_template

from tests.bench.recipe import bare_allocate
from tests.bench.timing import Stage
from trialsite.settings import SERVING_OPTIONS

# Three of them are slower than the p99: of fewer the slowest one or two would decide.
_EACH = 320
# Allocations before it counts: every thread of the server has its connection, its statements prepared.
_WARM = 48


def measure(stage: Stage) -> None:
    """Rates in one run, on one server: bare first, then through gunicorn."""
    from tests.harness import serving
    from tests.harness.clients import Clients
    from tests.harness.stage import prepare

    cluster = stage.cluster
    name = cluster.clone()
    cluster.point_django_at(name)
    made = prepare(cluster, name, participants=3 * _EACH + _WARM)
    actors = {
        site: (pk, username)
        for site, pk, username in made.superuser(
            "SELECT s.code, u.id, u.username FROM staff_membership m JOIN staff_user u ON u.id = m.user_id"
            " JOIN sites_site s ON s.id = m.site_id WHERE m.role = 'coordinator'"
        )
    }
    keys = dict(made.superuser("SELECT code, id FROM participants_participant"))
    bare = _bare(cluster.url("edc_app", name), made.participants[:_EACH], actors, keys)
    print(f"{'32 connections, bare recipe':<34}{bare:9.1f} a second")
    recorded = [_recorded(code) for code, _ in made.participants[_EACH : _EACH + 32]]
    same = _replayed(cluster.url("edc_app", name), recorded)
    print(f"{'32 connections, the same SQL':<34}{same:9.1f} a second ({len(recorded[0])} statements each)")
    with tempfile.TemporaryDirectory(prefix="tsb") as text:
        folder = Path(text)
        heads = _witnessed(folder / "witness.jsonl", made)
        with serving.gunicorn(folder, cluster.url("edc_app", name), folder / "step", heads) as (_, port):

            def at_work(number: int) -> Clients:
                there = ("127.0.0.1", port)
                return Clients(lambda: there, made.tokens, number, number=number, lose=0, again=0, double=0)

            at_work(16).run(made.participants[3 * _EACH :])
            for number, start in ((4, _EACH), (32, 2 * _EACH)):
                clients = at_work(number)
                began = time.monotonic()
                clients.run(made.participants[start : start + _EACH])
                rate = _EACH / (time.monotonic() - began)
                times = [1000 * (call.ended - call.began) for call in clients.calls if call.status == 201]
                print(
                    f"{f'{number} clients over HTTP':<34}{rate:9.1f} a second ({100 * rate / bare:.0f} % of the recipe,"
                    f" {100 * rate / same:.0f} % of the same SQL),"
                    f" median {statistics.median(times):.0f} ms, p99 {statistics.quantiles(times, n=100)[98]:.0f} ms,"
                    f" {len(times)} of {_EACH}"
                )


def _witnessed(path: Path, made: Any) -> Path:
    """A witness that knows the ledger as it stands."""
    from django.test import override_settings

    from randomization import witness

    head = made.superuser("SELECT trial, environment, position, head FROM randomization_scheme")[0]
    path.touch(mode=0o600)
    with override_settings(WITNESS_FILE=str(path)):
        witness.append(witness.Head(*head))
    return path


class _Undone(Exception):
    """Ends a recording."""


def _recorded(code: str) -> list[tuple[str, Any]]:
    """What the step of one participant sends, as (SQL, parameters); nothing of it stays."""
    from django.db import connection

    from randomization.services import allocate
    from trialsite.audit.context import acting
    from trialsite.enrollment.services import allocating
    from trialsite.participants.models import Participant
    from trialsite.staff.models import Membership, system_actor

    sent: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with acting(system_actor("system.loader")):
        participant = Participant.objects.get(code=code)
        held = Membership.objects.select_related("user").get(role="coordinator", site=participant.site_id)
    try:
        with connection.execute_wrapper(record), acting(held.user, durable=True):
            locked = allocating._held(held.user, participant.code)
            allocating._randomize(held.user, locked, f"replay-{code}", None, allocate)
            raise _Undone
    except _Undone:
        return sent


def _replayed(url: str, recorded: list[list[tuple[str, Any]]]) -> float:
    """Transactions a second by two processes of 16 connections each, every one with a participant of its own."""
    fork = multiprocessing.get_context("fork")
    began = time.monotonic()
    hands = [fork.Process(target=_replay, args=(url, recorded[place::2])) for place in range(2)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert all(hand.exitcode == 0 for hand in hands)
    return _EACH / (time.monotonic() - began)


def _replay(url: str, recorded: list[list[tuple[str, Any]]]) -> None:
    failed = []

    def work(statements: list[tuple[str, Any]]) -> None:
        try:
            options: dict[str, Any] = {"prepare_threshold": SERVING_OPTIONS["prepare_threshold"]}
            with psycopg.connect(url, context=get_adapters_template(True, None), **options) as line:
                for _ in range(_EACH // len(recorded) // 2):
                    line.execute("SAVEPOINT step")
                    for sql, params in statements:
                        line.execute(sql, params)
                    line.execute("ROLLBACK TO SAVEPOINT step")
                    line.execute("SELECT pg_logical_emit_message(true, 'bench', 'step')")
                    line.commit()
        except psycopg.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(statements,)) for statements in recorded]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(1 if failed else 0)


def _bare(url: str, people: list[tuple[str, str]], actors: Any, keys: Any) -> float:
    """Allocations a second by two processes of 16 connections each."""
    fork = multiprocessing.get_context("fork")
    began = time.monotonic()
    hands = [fork.Process(target=_hand, args=(url, people[place::2], actors, keys)) for place in range(2)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert all(hand.exitcode == 0 for hand in hands)
    return len(people) / (time.monotonic() - began)


def _hand(url: str, people: list[tuple[str, str]], actors: Any, keys: Any) -> None:
    queue, failed = list(people), []

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as line:
            while queue:
                try:
                    code, site = queue.pop()
                except IndexError:
                    return
                try:
                    bare_allocate(
                        line,
                        actor=actors[site],
                        participant=(keys[code], code),
                        stratum=f"site={site}",
                        key=f"bare-{code}",
                        recipients=["user:1", "user:2"],
                    )
                except psycopg.Error as error:
                    failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(1 if failed else 0)
