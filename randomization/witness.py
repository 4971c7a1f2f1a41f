"""The witness: a file on another volume to which every head of the ledger is appended after its commit.

A database that is put back to an earlier day knows nothing of what came after; the witness does. Lines are JSON, one
per head, appended and synced. `begins` marks the first line of an era: what stands before it no longer counts.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

log = logging.getLogger(__name__)
# Lines are about 200 bytes; 64 servers' threads may commit in one order and append in another.
_OUT_OF_ORDER: Final = 64
_TAIL: Final = 32 * 1024


@dataclass(frozen=True)
class Head:
    """Where a ledger stands."""

    trial: str
    environment: str
    position: int
    head: str


def configured() -> Path | None:
    """The file, or None where none is kept (never in production)."""
    return Path(settings.WITNESS_FILE) if settings.WITNESS_FILE else None


def append(seen: Head, *, begins: bool = False) -> None:
    """Append one head and wait until it is on the disk; raises OSError."""
    file = configured()
    if file is None:
        return
    line = {
        "trial": seen.trial,
        "environment": seen.environment,
        "position": seen.position,
        "head": seen.head,
    }
    # The line is ended on both sides: what a crash or a full disk cut short before it stays apart.
    data = ("\n" + json.dumps(line | ({"begins": True} if begins else {}), sort_keys=True) + "\n").encode()
    # Only the beginning of an era makes the file: one that vanished in between is missed, not made anew.
    handle = _opened(file, making=begins)
    try:
        if os.write(handle, data) != len(data):
            raise OSError("the witness took a part of the line only")
        os.fsync(handle)
    finally:
        os.close(handle)


def prepare() -> None:
    """Make folder and file before an era begins, so that it is not begun without; raises OSError."""
    file = configured()
    if file is not None:
        os.close(_opened(file, making=True))


def _opened(file: Path, *, making: bool) -> int:
    if making:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(file, os.O_WRONLY | os.O_APPEND | (os.O_CREAT if making else 0), 0o600)


def append_committed(seen: Head, *, begins: bool = False) -> None:
    """Append after the commit. What was committed stands whatever happens here.

    As long as the file cannot be written the next allocation is refused; afterwards `last` lags behind by this head.
    """
    try:
        append(seen, begins=begins)
    except OSError:
        log.critical("The witness of the ledger cannot be written; position %s", seen.position)


def heads(trial: str, environment: str) -> list[Head]:
    """Every head that the witness holds of the ledger, in all eras; none where no witness is kept or it is away."""
    file = configured()
    if file is None or not file.exists():
        return []
    read = map(_read, file.read_bytes().split(b"\n"))
    return [one[0] for one in read if one and (one[0].trial, one[0].environment) == (trial, environment)]


def last(trial: str, environment: str) -> Head | None:
    """The furthest head of the present era, or None where there is none; raises OSError where it cannot be appended to.

    A line that a crash cut short is passed over.
    """
    file = configured()
    if file is None:
        return None
    found: Head | None = None
    with file.open("r+b") as lines:
        # Room for the next line is asked for before an entry is opened.
        if os.fstatvfs(lines.fileno()).f_bavail == 0:
            raise OSError("no space left for the witness")
        size = lines.seek(0, os.SEEK_END)
        lines.seek(max(0, size - _TAIL))
        tail = lines.read()
    own = 0
    for line in reversed(tail.split(b"\n")):
        read = _read(line)
        if read and (read[0].trial, read[0].environment) == (trial, environment):
            seen, begins = read
            if found is None or seen.position > found.position:
                found = seen
            own += 1
            # Before these stands nothing further of this era.
            if begins or own == _OUT_OF_ORDER:
                break
    return found


def _read(line: bytes) -> tuple[Head, bool] | None:
    try:
        said = json.loads(line)
        return Head(said["trial"], said["environment"], int(said["position"]), said["head"]), bool(
            said.get("begins")
        )
    except (ValueError, TypeError, KeyError):
        return None
