"""How often something may be tried. Counted in the shared cache, so that all processes count together."""

import time
from contextlib import suppress
from typing import Final

from django.core.cache import cache

from trialsite.staff.errors import TooManyAttempts

# Seconds.
WINDOW: Final = 300
_MOST: Final = 6


def count(name: str, whose: str, *, window: int = WINDOW) -> tuple[int, int]:
    """Count one more try; returns how many there were in this window of seconds, and the seconds until it ends."""
    now = int(time.time())
    key = f"tries:{name}:{whose}:{now // window}"
    try:
        tries = cache.incr(key)
    except ValueError:  # the first, or as good as the first
        tries = 1 if cache.add(key, 1, window) else cache.incr(key)
    return tries, window - now % window


def allow(name: str, whose: str) -> None:
    """Count one more try and raise TooManyAttempts beyond six within five minutes."""
    tries, _ = count(name, whose)
    if tries > _MOST:
        raise TooManyAttempts


def take_back(name: str, whose: str) -> None:
    """One try less, in the window that runs now."""
    with suppress(ValueError):  # it ran out meanwhile
        cache.decr(f"tries:{name}:{whose}:{int(time.time()) // WINDOW}")


def clear(name: str, whose: str) -> None:
    """A success ends the count."""
    cache.delete(f"tries:{name}:{whose}:{int(time.time()) // WINDOW}")
