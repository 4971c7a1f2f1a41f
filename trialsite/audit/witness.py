"""Heads of the trail on another volume than the database: whoever cuts the trail's end finds them not beside it.

Each new head is appended as a line of JSON to `trail.jsonl` beside the witness of the ledger (`WITNESS_FILE`).
"""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

log = logging.getLogger(__name__)
NAME: Final = "trail.jsonl"


def file() -> Path | None:
    """Where the heads stand; None where no witness is kept (never in production)."""
    return Path(settings.WITNESS_FILE).with_name(NAME) if settings.WITNESS_FILE else None


def append(seal: int, head: str) -> None:
    """Append one head. The seal stands whatever happens here: what cannot be written is missed, and logged."""
    place = file()
    if place is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, (json.dumps({"seal": seal, "head": head}) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        log.critical("The witness of the trail cannot be written; seal %s", seal)


def heads() -> Iterator[str]:
    """Every head that stands there, the first one first; a line that a crash cut short is passed over."""
    place = file()
    if place is None or not place.exists():
        return
    with place.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield str(json.loads(line)["head"])
            except (ValueError, TypeError, KeyError):
                continue
