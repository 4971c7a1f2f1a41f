"""Offsets of the schedule in days, weeks or calendar months. Pure."""

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import Literal

Unit = Literal["days", "weeks", "months"]


@dataclass(frozen=True)
class Offset:
    """`count` days, weeks or calendar months; negative ones lie before the anchor."""

    count: int
    unit: Unit = "days"

    def after(self, anchor: dt.date) -> dt.date:
        """The date this far from `anchor`.

        Months are added to the anchor itself and clamped to the month's end (31 January + 1 month is the last day of
        February); they are never chained from visit to visit, where a clamped day would be carried on. Raises
        TypeError for an instant: a schedule counts local dates.
        """
        if isinstance(anchor, dt.datetime):
            raise TypeError("an anchor is a local date, not an instant")
        if self.unit == "months":
            years, month = divmod(anchor.year * 12 + anchor.month - 1 + self.count, 12)
            return dt.date(years, month + 1, min(anchor.day, calendar.monthrange(years, month + 1)[1]))
        return anchor + dt.timedelta(days=self.count * (7 if self.unit == "weeks" else 1))
