"""Windows, study days and the order of visits: pure, on local dates."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from trialsite.protocol.offsets import Offset


@dataclass(frozen=True)
class Window:
    """The days on which a visit counts as in time, both ends included."""

    target: dt.date
    opens: dt.date
    closes: dt.date

    def holds(self, day: dt.date) -> bool:
        """Whether `day` lies in the window."""
        return self.opens <= day <= self.closes


def window(anchor: dt.date, offset: Offset, before: int, after: int) -> Window:
    """The window of a visit `offset` from `anchor`, from `before` days earlier to `after` days later.

    Days, weeks and months always count from the anchor, never from the visit before.
    """
    target = offset.after(anchor)
    return Window(target, target - dt.timedelta(days=before), target + dt.timedelta(days=after))


def study_day(anchor: dt.date, day: dt.date) -> int:
    """The study day (CDISC SDTM): the anchor is day 1, the day before is day −1, there is no day 0."""
    offset = (day - anchor).days
    return offset + 1 if offset >= 0 else offset


@dataclass(frozen=True)
class Breach:
    """`visit` took place on `on`, before `earlier` had: that was on `earlier_on`, or is not recorded (None)."""

    visit: str
    on: dt.date
    earlier: str
    earlier_on: dt.date | None


def breaches(
    visit: str, on: dt.date, follows: Iterable[str], happened: Mapping[str, dt.date]
) -> list[Breach]:
    """Which of the visits that `visit` must follow had not happened by `on`; the same day is in order."""
    found = []
    for earlier in follows:
        earlier_on = happened.get(earlier)
        if earlier_on is None or earlier_on > on:
            found.append(Breach(visit, on, earlier, earlier_on))
    return found


@dataclass(frozen=True)
class Candidate:
    """A record that may count for a visit: whose `key` it is, its date, and whether it was made at that visit."""

    key: int
    on: dt.date
    scheduled: bool


C = TypeVar("C", bound=Candidate)


def counting(candidates: Iterable[C], target: dt.date) -> C | None:
    """Which of several records counts for the visit with this target; None where there is none.

    One made at the visit before any made at an unscheduled one, which never fills a planned visit silently; then the
    closest to the target; of two equally close the later; of two on one day the one recorded last.
    """
    return min(
        candidates,
        key=lambda one: (not one.scheduled, abs((one.on - target).days), -one.on.toordinal(), -one.key),
        default=None,
    )
