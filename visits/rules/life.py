"""The life of a visit: which state may follow which, and how pressing an open one is."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, Literal

TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    "expected": frozenset({"booked", "attended", "missed", "not_expected"}),
    "booked": frozenset({"expected", "booked", "attended", "missed", "not_expected"}),
    # Settled, unless the date or the decision behind it turns out to have been recorded wrongly.
    "attended": frozenset({"attended", "booked", "expected", "not_expected"}),
    "missed": frozenset({"attended", "booked", "expected"}),
    "not_expected": frozenset({"booked", "expected"}),
}
OPEN: Final = ("expected", "booked")
# Participants of whom nothing is expected any more: no appointment, no reminder.
LEFT: Final = ("withdrawn", "dead")

# A window that closes within so many days is pressing.
CLOSING_DAYS: Final = 3
Urgency = Literal["overdue", "closing", "open", "later", "none"]


def urgency(state: str, opens: dt.date, closes: dt.date, today: dt.date) -> Urgency:
    """How pressing an open visit is: overdue, closing within 3 days, open now, later; none when it is settled."""
    if state not in OPEN:
        return "none"
    if today > closes:
        return "overdue"
    if today < opens:
        return "later"
    return "closing" if (closes - today).days <= CLOSING_DAYS else "open"
