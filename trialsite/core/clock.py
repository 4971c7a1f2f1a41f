"""The one place that reads the clock. Rules and services take time as an argument and default to this."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from zoneinfo import ZoneInfo

from django.conf import settings

_pretended: ContextVar[dt.datetime | None] = ContextVar("pretended", default=None)


def now() -> dt.datetime:
    """The present instant, aware, in UTC."""
    return _pretended.get() or dt.datetime.now(dt.UTC)


def local(at: dt.datetime, zone: str) -> dt.datetime:
    """The instant `at` on a wall clock in `zone` (IANA name)."""
    return at.astimezone(ZoneInfo(zone))


def wall(at: dt.datetime, zone: str) -> dt.datetime:
    """The instant at which a wall clock in `zone` shows what `at` shows, whatever zone `at` names."""
    return at.replace(tzinfo=ZoneInfo(zone))


def instant(seconds: float | None) -> dt.datetime | None:
    """The instant that many seconds after 1970 began; None where there is none."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def local_date(at: dt.datetime, zone: str) -> dt.date:
    """The calendar date that a wall clock in `zone` shows at the instant `at`."""
    return local(at, zone).date()


def midnight(on: dt.date, zone: str) -> dt.datetime:
    """The instant at which `on` begins in `zone`."""
    return dt.datetime.combine(on, dt.time(), ZoneInfo(zone))


def today(zone: str) -> dt.date:
    """The calendar date in `zone` at this instant."""
    return local_date(now(), zone)


@contextmanager
def pretend(at: dt.datetime) -> Iterator[None]:
    """Let `now` answer `at` inside the block: for demo data and tests, refused in production.

    The trail is not fooled: its times come from the database's own clock.
    """
    if settings.TRIALSITE_ENV == "prod":
        raise RuntimeError("The clock cannot be set in production.")
    token = _pretended.set(at.astimezone(dt.UTC))
    try:
        yield
    finally:
        _pretended.reset(token)
