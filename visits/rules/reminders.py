"""Which reminder speaks when."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from zoneinfo import ZoneInfo

# No message reaches a participant from 21:00 to 08:00 local time.
QUIET_FROM: Final = dt.time(21)
QUIET_UNTIL: Final = dt.time(8)


class Rule(Protocol):
    """What this module reads of a reminder rule of the protocol."""

    @property
    def audience(self) -> str: ...
    @property
    def relative_to(self) -> str: ...
    @property
    def offset_days(self) -> int: ...
    @property
    def at(self) -> str: ...


R = TypeVar("R", bound=Rule)


@dataclass(frozen=True)
class Course:
    """What reminders of a visit hang on: window, appointment (None: not booked), IANA zone that both are read in."""

    opens: dt.date
    closes: dt.date
    appointment: dt.datetime | None
    zone: str


def moment(rule: Rule, course: Course) -> dt.datetime | None:
    """The instant from which `rule` speaks: `offset_days` from its day, at its local time. None: no appointment."""
    zone = ZoneInfo(course.zone)
    if rule.relative_to == "appointment":
        if course.appointment is None:
            return None
        day = course.appointment.astimezone(zone).date()
    else:
        day = course.opens if rule.relative_to == "opens" else course.closes
    return dt.datetime.combine(
        day + dt.timedelta(days=rule.offset_days), dt.time.fromisoformat(rule.at), zone
    )


def speaks(rule: Rule, course: Course, now: dt.datetime) -> bool:
    """Whether the moment of `rule` has come and what it says is still of use.

    A rule of the appointment until the appointment; a rule of the opening until the window closes and as long as
    nothing is booked; a rule that warns of the close until the close; a rule about a closed window from then on.
    """
    due = moment(rule, course)
    if due is None or due > now:
        return False
    if rule.relative_to == "appointment":
        return course.appointment is not None and now < course.appointment
    closed = now.astimezone(ZoneInfo(course.zone)).date() > course.closes
    if rule.relative_to == "opens":
        return not closed and course.appointment is None
    return not closed or rule.offset_days > 0


def speaking(rules: Iterable[R], course: Course, now: dt.datetime) -> dict[str, R]:
    """For each audience the one rule that speaks now: of several moments past the latest, of equal ones the last."""
    latest: dict[str, tuple[dt.datetime, R]] = {}
    for rule in rules:
        due = moment(rule, course)
        if due is not None and speaks(rule, course, now):
            known = latest.get(rule.audience)
            if known is None or due >= known[0]:
                latest[rule.audience] = (due, rule)
    return {audience: rule for audience, (_, rule) in latest.items()}


def quiet_until(now: dt.datetime, zone: str) -> dt.datetime | None:
    """The end of the quiet hours that `now` lies in, or None outside of them."""
    local = now.astimezone(ZoneInfo(zone))
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return None
    day = local.date() if local.time() < QUIET_UNTIL else local.date() + dt.timedelta(days=1)
    return dt.datetime.combine(day, QUIET_UNTIL, ZoneInfo(zone))


def ways(channel: str, preferred: str) -> list[str]:
    """The channels by which a message may leave, the first that can be used is taken.

    `channel` of the rule names one, or leaves it to the participant: then what they prefer, else the other.
    """
    if channel != "preferred":
        return [channel]
    return ["sms", "email"] if preferred == "sms" else ["email", "sms"]
