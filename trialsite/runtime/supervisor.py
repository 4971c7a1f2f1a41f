"""Keeps the processes of one deployment alive, and stops them in order.

Every child is the leader of its own process group. What was started is written to `processes.json`
with pid and start mark, so that the next supervisor can end what a killed one left behind.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from trialsite.runtime import processes
from trialsite.runtime.processes import Failed

# Children stop in this order, each rank within its time in seconds; together less than 2 s.
SERVING, BROKER, DATABASE = 0, 1, 2
_GRACE = {SERVING: 1.1, BROKER: 0.2, DATABASE: 0.3}
_TICK = 0.1
_LONGEST_PAUSE = 5.0
_SETTLED = 10.0


class Stopped(Exception):
    """Someone asked us to stop while we were waiting for something."""


@dataclass
class Child:
    """One process to keep alive. `deaths` counts the ends since it last stayed up for ten seconds."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    rank: int = SERVING
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    mark: str | None = None
    since: float = 0.0
    deaths: int = 0
    again_at: float = field(default=0.0)

    def spawn(self) -> None:
        self.process = processes.spawn(self.argv, env=self.env, log=self.log)
        self.mark = processes.started(self.process.pid)
        self.since = time.monotonic()

    def pause(self) -> float:
        """Seconds to wait before the next start: 0.2, 0.4, … 5."""
        return float(min(0.2 * 2 ** (self.deaths - 1), _LONGEST_PAUSE))


class Lock:
    """At most one supervisor, restore or reset works on a folder. The system frees it when we die."""

    def __init__(self, root: Path) -> None:
        self.path = root / "supervisor.lock"
        self._file: int | None = None

    def __enter__(self) -> "Lock":
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode() or "?"
            os.close(self._file)
            raise Failed(
                f"TrialSite is already running from {self.path.parent} (process {holder}). "
                f"Stop it there with Ctrl-C first."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)


class Supervisor:
    """Use as a context: entering takes the lock and ends leftovers, leaving stops every child."""

    def __init__(self, root: Path, *, report: Callable[[str], object] = print) -> None:
        self.root = root
        self.report = report
        self.children: list[Child] = []
        self._lock = Lock(root)
        self._asked = False

    def __enter__(self) -> "Supervisor":
        self._lock.__enter__()
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._ask)
        self._end_leftovers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.stop()
        self._lock.__exit__()
        return kind is Stopped

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        # Only a flag: a lock taken in a signal handler could wait for itself.
        self._asked = True

    def start(self, child: Child) -> Child:
        """Start a child and keep it alive from now on."""
        child.spawn()
        self.children.append(child)
        self._record()
        return child

    def watch(self) -> None:
        """Keep the children alive until someone asks to stop."""
        while not self._asked:
            time.sleep(_TICK)
            self._tick()

    def wait_for(self, ready: Callable[[], bool], child: Child, *, within: float = 60) -> None:
        """Keep the children alive until `ready`.

        Raises Failed with the end of the child's log when it keeps dying or time runs out, Stopped on request.
        """
        deadline = time.monotonic() + within
        while not ready():
            if self._asked:
                raise Stopped
            time.sleep(0.05)
            self._tick()
            if child.deaths >= 5 or time.monotonic() > deadline:
                raise Failed(
                    f"{child.name} did not start; {child.log} ends:\n{processes.last_lines(child.log)}"
                )

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
        """Run a command to its end, its output on ours, and keep the children alive meanwhile.

        Returns its exit code. Raises Stopped on request, after ending the command.
        """
        sys.stdout.flush()
        job = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
        while job.poll() is None:
            if self._asked:
                processes.send(job.pid, signal.SIGKILL, group=True)
                job.wait()
                raise Stopped
            time.sleep(0.05)
            self._tick()
        return job.returncode

    def stop(self) -> None:
        """Stop all children within 2 s: those that serve together, then the broker, then the database."""
        for rank in (SERVING, BROKER, DATABASE):
            stopping = [child for child in self.children if child.rank == rank and child.process]
            for child in stopping:
                processes.send(_pid(child), child.stop_signal)
            deadline = time.monotonic() + _GRACE[rank]
            for child in stopping:
                _reap(child, deadline)
        self.children.clear()
        self._record()

    def _tick(self) -> None:
        """Start again what has ended and has had its pause."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._mourn(child, now)
            elif child.process is not None and now - child.since > _SETTLED:
                child.deaths = 0
            if child.process is None and now >= child.again_at:
                child.spawn()
                self._record()

    def _mourn(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101 -- for the type checker; the caller has looked
        # What the dead leader left in its group would run beside its successor.
        processes.send(child.process.pid, signal.SIGKILL, group=True)
        code, child.process = child.process.returncode, None
        child.deaths += 1
        child.again_at = now + child.pause()
        self.report(f"{child.name} ended with code {code}; starting it again.")

    def _record(self) -> None:
        alive = [[c.name, c.rank, _pid(c), c.mark, c.stop_signal] for c in self.children if c.process]
        fresh = self.root / "processes.json.new"
        fresh.write_text(json.dumps(alive))
        fresh.replace(self._state)

    @property
    def _state(self) -> Path:
        return self.root / "processes.json"

    def _end_leftovers(self) -> None:
        """End what a killed supervisor left: only processes whose pid and start mark are those recorded."""
        try:
            recorded = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return
        left = [entry for entry in recorded if entry[3] and processes.started(entry[2]) == entry[3]]
        if left:
            self.report(f"Ending what the last run left behind: {', '.join(entry[0] for entry in left)}.")
        for rank in (SERVING, BROKER, DATABASE):
            of_rank = [(pid, mark, how) for _, its_rank, pid, mark, how in left if its_rank == rank]
            for pid, _, how in of_rank:
                processes.send(pid, signal.Signals(how))
            for pid, mark, _ in of_rank:
                if not processes.gone(pid, mark, within=1.0 if rank == SERVING else 10.0):
                    processes.send(pid, signal.SIGKILL, group=True)
                    processes.gone(pid, mark, within=2.0)


def _pid(child: Child) -> int:
    assert child.process is not None  # noqa: S101 -- callers ask for living children only
    return child.process.pid


def _reap(child: Child, deadline: float) -> None:
    """Wait for the child's end until `deadline`, then end it and its group at once."""
    assert child.process is not None  # noqa: S101
    try:
        child.process.wait(timeout=max(0.01, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        # PostgreSQL takes SIGQUIT as "stop now and recover from the log later".
        harder = signal.SIGQUIT if child.rank == DATABASE else signal.SIGKILL
        processes.send(child.process.pid, harder, group=child.rank != DATABASE)
    child.process.wait()
    processes.send(child.process.pid, signal.SIGKILL, group=True)
    child.process = None
