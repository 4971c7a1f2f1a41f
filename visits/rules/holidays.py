"""Working days and the days that suit an appointment: pure. Windows never move for them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["working", "make_up", "weekend", "holiday", "unknown"]
SATURDAY: Final = 5


@dataclass(frozen=True)
class Calendar:
    """The official calendar: days that differ from their weekday, and the years for which it is known.

    `works`: True for an official make-up working day on a weekend, False for a public holiday.
    """

    works: Mapping[dt.date, bool] = field(default_factory=dict)
    years: frozenset[int] = frozenset()

    def kind(self, day: dt.date) -> Kind:
        """What kind of day it is; a weekday of a year without data is *unknown*, never a working day."""
        if day in self.works:
            weekend = day.weekday() >= SATURDAY
            return ("make_up" if weekend else "working") if self.works[day] else "holiday"
        if day.weekday() >= SATURDAY:
            return "weekend"
        return "working" if day.year in self.years else "unknown"


@dataclass(frozen=True)
class Clinic:
    """The weekdays (Monday is 0) on which a hospital sees participants, each with its capacity (None: no limit).

    No weekday listed: the hospital has not said, and every working day will do.
    """

    weekdays: Mapping[int, int | None] = field(default_factory=dict)

    def held(self, day: dt.date) -> bool:
        """Whether the clinic is held on the weekday of `day`."""
        return not self.weekdays or day.weekday() in self.weekdays

    def full(self, day: dt.date, booked: int) -> bool:
        """Whether `booked` appointments leave no room on `day`."""
        capacity = self.weekdays.get(day.weekday())
        return capacity is not None and booked >= capacity


@dataclass(frozen=True)
class Suggestion:
    """A day for an appointment. `certain` is False where nobody knows yet whether it is a public holiday."""

    day: dt.date
    certain: bool


def suggestions(
    *,
    target: dt.date,
    opens: dt.date,
    closes: dt.date,
    earliest: dt.date,
    calendar: Calendar,
    clinic: Clinic,
    booked: Mapping[dt.date, int],
) -> list[Suggestion]:
    """Days from `earliest` inside the window that are working days with room in the clinic, nearest to target first.

    Of two equally near the earlier, which leaves room to move. An official make-up day is a working day; it suits
    where the hospital holds its clinic on that weekday, or has named none.
    """
    first = max(opens, earliest)
    days = [first + dt.timedelta(days=shift) for shift in range((closes - first).days + 1)]
    suiting = [
        day
        for day in days
        if calendar.kind(day) in ("working", "make_up", "unknown")
        and clinic.held(day)
        and not clinic.full(day, booked.get(day, 0))
    ]
    ordered = sorted(suiting, key=lambda day: (abs((day - target).days), day))
    return [Suggestion(day, calendar.kind(day) != "unknown") for day in ordered]
