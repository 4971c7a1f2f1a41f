"""What a reviewer of access should look at. Pure."""

import datetime as dt
from typing import Final

from trialsite.outbox.rules import Rung

# An account that has not acted for this long is dormant (21 CFR 11.300(b): ageing).
DORMANT_AFTER: Final = dt.timedelta(days=90)
REVIEW_EVERY: Final = dt.timedelta(days=182)
# Who is told of a review that is late, and how long after.
LATE_REVIEW: Final = (Rung("pi", dt.timedelta(0)), Rung("trial_manager", dt.timedelta(days=14)))


def flags(
    *,
    today: dt.date,
    active: bool,
    begins: dt.date,
    ends: dt.date | None,
    last_act: dt.date | None,
    trained: bool,
    person: bool,
    apart: bool = True,
) -> tuple[str, ...]:
    """What is remarkable about one membership: ended, closed, to_begin, dormant, never, untrained, clash.

    `apart`: the person holds there no role that may not be held together with this one.
    """
    if ends is not None and ends <= today:
        return ("ended",)
    if not active:
        return ("closed",)
    if begins > today:
        return ("to_begin",)
    found = []
    if last_act is None:
        found.append("never")
    elif today - last_act > DORMANT_AFTER:
        found.append("dormant")
    if person and not trained:
        found.append("untrained")
    if not apart:
        found.append("clash")
    return tuple(found)
