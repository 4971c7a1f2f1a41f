"""Windows counted another way: Julian day numbers (Fliegel and Van Flandern 1968), which share nothing with `datetime`.

Used by the tests with 10⁴ cases and by `make campaign` with 10⁶.
"""

import datetime as dt
import random
from collections.abc import Iterator

from trialsite.protocol.offsets import Offset, Unit
from visits import rules

FIRST, LAST = (2024, 1, 1), (2035, 12, 31)
UNITS: tuple[Unit, ...] = ("days", "weeks", "months")


def julian(year: int, month: int, day: int) -> int:
    """The Julian day number of a Gregorian date."""
    a = (14 - month) // 12
    y, m = year + 4800 - a, month + 12 * a - 3
    return day + (153 * m + 2) // 5 + 365 * y + y // 4 - y // 100 + y // 400 - 32045


def gregorian(number: int) -> tuple[int, int, int]:
    """The (year, month, day) of a Julian day number."""
    f = number + 1401 + (4 * number + 274277) // 146097 * 3 // 4 - 38
    e = 4 * f + 3
    h = 5 * (e % 1461 // 4) + 2
    month = (h // 153 + 2) % 12 + 1
    return e // 1461 - 4716 + (12 + 2 - month) // 12, month, h % 153 // 5 + 1


def date(number: int) -> dt.date:
    return dt.date(*gregorian(number))


def target(start: int, offset: Offset) -> int:
    """The day number `offset` from `start`. A month's length is the distance between two firsts."""
    if offset.unit != "months":
        return start + offset.count * {"days": 1, "weeks": 7}[offset.unit]
    year, month, day = gregorian(start)
    for _ in range(abs(offset.count)):
        month += 1 if offset.count > 0 else -1
        if month in (0, 13):
            year, month = (year + 1, 1) if month == 13 else (year - 1, 12)
    first = julian(year, month, 1)
    length = julian(year + month // 12, month % 12 + 1, 1) - first
    return first + (day if day < length else length) - 1


def differences(start: int, offset: Offset, before: int, after: int) -> list[object]:
    """Where the rules and the oracle disagree on the window of one visit whose anchor has day number `start`."""
    anchor, middle = date(start), target(start, offset)
    made = rules.window(anchor, offset, before, after)
    expected = [date(middle + shift) for shift in (0, -before, after)]
    got = [made.target, made.opens, made.closes]
    wrong: list[object] = [] if got == expected else [(anchor, offset, before, after, got, expected)]
    for edge in (-before - 1, -before, 0, after, after + 1):
        place, away = date(middle + edge), middle + edge - start
        if made.holds(place) != (-before <= edge <= after):
            wrong.append((anchor, offset, before, after, place, "in the window"))
        if rules.study_day(anchor, place) != (away + 1 if away >= 0 else away):
            wrong.append((anchor, place, "study day"))
    return wrong


def cases(chance: random.Random) -> Iterator[tuple[int, Offset, int, int]]:
    """Without end: (anchor's day number, offset, days before, days after) of any visit from 1990 to 2100."""
    while True:
        unit = chance.choice(UNITS)
        count = chance.randint(*{"days": (-400, 800), "weeks": (-60, 120), "months": (-14, 60)}[unit])
        start = chance.randint(julian(1990, 1, 1), julian(2100, 12, 31))
        yield start, Offset(count, unit), chance.randint(0, 60), chance.randint(0, 60)
