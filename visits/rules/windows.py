"""Windows and study days: pure, on local dates."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """The days on which a visit counts as in time, both ends included."""

    target: dt.date
    opens: dt.date
    closes: dt.date

    def holds(self, day: dt.date) -> bool:
        """Whether `day` lies in the window."""
        return self.opens <= day <= self.closes


def window(anchor: dt.date, day: int, before: int, after: int) -> Window:
    """The window of a visit on `anchor` + `day`, from `before` days earlier to `after` days later."""
    target = anchor + dt.timedelta(days=day)
    return Window(target, target - dt.timedelta(days=before), target + dt.timedelta(days=after))


def study_day(anchor: dt.date, day: dt.date) -> int:
    """The study day (CDISC SDTM): the anchor is day 1, the day before is day −1, there is no day 0."""
    offset = (day - anchor).days
    return offset + 1 if offset >= 0 else offset
