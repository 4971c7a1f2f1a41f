"""One run: clients against a server, with faults or a planted bug, and what the checker finds. All by one seed."""

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import connections
from django.test import override_settings

from randomization.models import Scheme
from randomization.steering import set_state
from tests.conftest import Cluster
from tests.harness import bugs, disk, serving, stage
from tests.harness.clients import Clients
from tests.harness.history import Rest, violations
from tests.harness.nemesis import Nemesis
from tests.harness.proxy import Proxy
from trialsite.audit.context import acting
from trialsite.runtime.places import database_url
from trialsite.staff.models import system_actor


@dataclass(frozen=True)
class Report:
    """What a run came to. `found` is empty when every invariant held."""

    seed: int
    calls: int
    acknowledged: int
    unanswered: int
    lost: int
    allocations: int
    faults: Counter[str]
    idle: Counter[str]
    omitted: tuple[str, ...]
    refused: Counter[str]
    found: list[str]

    @property
    def broken(self) -> set[str]:
        """The invariants that did not hold, such as I1."""
        return {sentence.split(" ")[0] for sentence in self.found}

    def __str__(self) -> str:
        refused = ", ".join(f"{times} {code}" for code, times in self.refused.most_common()) or "none"
        verdict = "; ".join(self.found[:5]) or "every invariant held"
        return (
            f"seed {self.seed}: {self.calls} calls, {self.acknowledged} acknowledged, {self.unanswered} without"
            f" an answer, {self.lost} answers lost on purpose, {self.allocations} allocations;"
            f" faults: {listed(self.faults)}; without effect: {listed(self.idle)};{left_out(self.omitted)}"
            f" refused: {refused}; {verdict}"
        )


def listed(counts: Counter[str]) -> str:
    """Counts by name."""
    return ", ".join(f"{times} {name}" for name, times in sorted(counts.items())) or "none"


def left_out(faults: Iterable[str]) -> str:
    """A loud word on faults that could not be had."""
    return "".join(f" LEFT OUT: {fault};" for fault in sorted(faults))


def with_bug(made: stage.Stage, *, bug: str, seed: int, opened: Sequence[str] = bugs.OPEN) -> Report:
    """Clients against threads of this process in which `bug` is planted. Django points at the stage's database.

    `opened` are the guards of the database that are taken away.
    """
    if bug == "cap ignored":
        made.bind_cap(len(made.participants) // 4)
    made.superuser(*opened)
    with bugs.planted(bug, seed), serving.in_process() as address:
        clients = Clients(lambda: address, made.tokens, seed, lose=0.05, again=0.4, double=0.4, patience=3)
        rests: list[Rest] = []
        if bug == "pause ignored":
            _pause("paused")
            began = time.monotonic()
            clients.run(made.participants)
            rests.append(Rest(began, time.monotonic()))
        else:
            clients.run(made.participants)
    return _report(made, clients, rests, seed)


def with_faults(
    *, seed: int, seconds: float, clients: int = 8, participants: int = 4000, like: Cluster | None = None
) -> Report:
    """Clients against gunicorn on a PostgreSQL of its own that syncs, while the nemesis does its worst.

    The server lives on a small disk where one can be mounted. `like` is a cluster whose template is taken over.
    """
    with (
        tempfile.TemporaryDirectory(prefix="tsh", ignore_cleanup_errors=True) as text,
        disk.small(Path(text)) as small,
        override_settings(WITNESS_FILE=f"{text}/witness.jsonl"),
    ):
        folder, witness = Path(text), Path(text) / "witness.jsonl"
        cluster = Cluster(small.folder if small else folder, durable=True)
        cluster.start(like=like)
        proxy = Proxy(folder / "p", cluster.server.socket_dir)
        try:
            name = cluster.clone()
            cluster.point_django_at(name)
            made = stage.prepare(cluster, name, participants=participants)
            # Of two hospitals one fills up on the way.
            made.bind_cap(max(1, participants // 40))
            cluster.server.stop()
            shutil.copytree(cluster.server.folder, folder / "old")
            cluster.server.start(report=lambda *_: None)
            url = database_url("edc_app", name, folder / "p")
            step = folder / "step"
            quiet = threading.Lock()
            with serving.gunicorn(folder, url, step, witness) as (web, port):
                driven = Clients(lambda: ("127.0.0.1", port), made.tokens, seed, number=clients)
                rests: list[Rest] = []
                pauses = threading.Thread(target=_rest_once, args=(rests, seconds, quiet))
                with Nemesis(made, proxy, web, step, seed, folder / "old", small, quiet) as nemesis:
                    pauses.start()
                    began = time.monotonic()
                    # A slow machine goes on until every kind of fault has come once.
                    driven.run(
                        made.participants,
                        on=lambda: time.monotonic() < began + (seconds if nemesis.met else seconds + 180),
                    )
                pauses.join()
            cluster.server.start(report=lambda *_: None)
            return _report(made, driven, rests, seed, nemesis)
        finally:
            proxy.close()
            connections.close_all()
            cluster.server.stop()


def _rest_once(rests: list[Rest], seconds: float, quiet: threading.Lock) -> None:
    """A pause of a tenth of the run, in its midst; where a fault meets it, it is tried until it is committed."""
    time.sleep(seconds / 2)
    with quiet:
        _pause("paused")
        began = time.monotonic()
        time.sleep(seconds / 10)
        rests.append(Rest(began, time.monotonic()))
        _pause("active")
    connections.close_all()


def _pause(state: str) -> None:
    ends = time.monotonic() + 120
    while True:
        try:
            loader = system_actor("system.loader")
            with acting(loader):
                scheme = Scheme.objects.get()
            set_state(actor=loader, scheme=scheme, state=state, reason="harness")
            return
        except Exception as error:
            connections.close_all()
            if time.monotonic() > ends:
                raise AssertionError("the pause could not be set") from error
            time.sleep(0.1)


def _report(
    made: stage.Stage, clients: Clients, rests: list[Rest], seed: int, nemesis: Nemesis | None = None
) -> Report:
    connections.close_all()
    history = made.history(clients.calls, rests)
    return Report(
        seed=seed,
        calls=len(clients.calls),
        acknowledged=sum(call.acknowledged for call in clients.calls),
        unanswered=sum(call.unanswered for call in clients.calls) - clients.lost,
        lost=clients.lost,
        allocations=len(history.rows),
        faults=nemesis.done if nemesis else Counter(),
        idle=nemesis.idle if nemesis else Counter(),
        omitted=nemesis.omitted if nemesis else (),
        refused=Counter(
            f"{call.status} {call.body.get('code', '')}".strip()
            for call in clients.calls
            if not call.unanswered and not call.acknowledged
        ),
        found=violations(history),
    )
