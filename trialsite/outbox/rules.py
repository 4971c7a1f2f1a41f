"""The fate of a message: pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"sending"}),
    "sending": frozenset({"pending", "sent", "cancelled", "failed", "uncertain"}),
    "sent": frozenset(),
    "cancelled": frozenset(),
    "failed": frozenset({"pending"}),
    "uncertain": frozenset({"pending", "sent"}),
}
MOST_ATTEMPTS: Final = 8
# A worker that says nothing for this long has died between the provider's answer and our commit, or before.
STALE_AFTER: Final = dt.timedelta(minutes=10)


def retry_at(attempts: int, now: dt.datetime) -> dt.datetime | None:
    """When to try again after `attempts` temporary failures: 1, 2, 4 … 64 minutes later; None when it is enough."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + dt.timedelta(minutes=2 ** (attempts - 1))
