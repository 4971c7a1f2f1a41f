"""Randomizations over HTTP with 4 and 32 clients, beside the recipe in bare psycopg with 32 connections."""

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.recipe import bare_allocate
from tests.bench.timing import Stage

_EACH = 160


def measure(stage: Stage) -> None:
    """Rates in one run, on one server: bare first, then through gunicorn."""
    from tests.harness import serving
    from tests.harness.clients import Clients
    from tests.harness.stage import prepare

    cluster = stage.cluster
    name = cluster.clone()
    cluster.point_django_at(name)
    made = prepare(cluster, name, participants=3 * _EACH)
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
    with tempfile.TemporaryDirectory(prefix="tsb") as text:
        folder = Path(text)
        with serving.gunicorn(folder, cluster.url("edc_app", name), folder / "step") as (_, port):
            for number, start in ((4, _EACH), (32, 2 * _EACH)):
                clients = Clients(
                    lambda: ("127.0.0.1", port), made.tokens, number, number=number, lose=0, again=0, double=0
                )
                began = time.monotonic()
                clients.run(made.participants[start : start + _EACH])
                rate = _EACH / (time.monotonic() - began)
                times = [1000 * (call.ended - call.began) for call in clients.calls if call.status == 201]
                print(
                    f"{f'{number} clients over HTTP':<34}{rate:9.1f} a second ({100 * rate / bare:.0f} % of bare),"
                    f" median {statistics.median(times):.0f} ms, p99 {statistics.quantiles(times, n=100)[98]:.0f} ms,"
                    f" {len(times)} of {_EACH}"
                )


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
