"""Starting, recognising and ending processes.

A process id alone proves nothing: the system hands it out again. A process is known by its id and
the moment it was started, together.
"""

import os
import platform
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Failed(Exception):
    """A server could not be started or stopped; the message is one sentence for the operator."""


def spawn(argv: Sequence[str], *, env: Mapping[str, str] | None, log: Path) -> subprocess.Popen[bytes]:
    """Start `argv` in a process group of its own, so that Ctrl-C reaches it only through us."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as sink:
        return subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )


def started(pid: int) -> str | None:
    """A mark of the moment `pid` was started; None when there is no such process or it is a zombie."""
    if platform.system() != "Linux":
        return _ps(pid, "lstart")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, IndexError):
        return None
    state, ticks = fields[0], fields[19]  # proc(5): fields 3 and 22
    return None if state in "ZX" else f"{boot}/{ticks}"


def program(pid: int) -> str:
    """The command line of `pid`, empty when there is no such process."""
    if platform.system() != "Linux":
        return _ps(pid, "command") or ""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _ps(pid: int, column: str) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def send(pid: int, how: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to a process, or to its whole group; one that is gone already is no error."""
    try:
        (os.killpg if group else os.kill)(pid, how)
    except ProcessLookupError:
        return


def gone(pid: int, mark: str, *, within: float) -> bool:
    """Wait up to `within` seconds for the process started at `mark` to end."""
    deadline = time.monotonic() + within
    while started(pid) == mark:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log file, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return "(no log)"
