"""The one place that reads the clock. Rules and services take time as an argument and default to this."""

import datetime as dt
from zoneinfo import ZoneInfo


def now() -> dt.datetime:
    """The present instant, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def local_date(at: dt.datetime, zone: str) -> dt.date:
    """The calendar date that a wall clock in `zone` (IANA name) shows at the instant `at`."""
    return at.astimezone(ZoneInfo(zone)).date()


def today(zone: str) -> dt.date:
    """The calendar date in `zone` at this instant."""
    return local_date(now(), zone)
