"""When a serious adverse event must have been reported, and what its two forms say differently: pure.

Source of the periods: ICH E6(R3) 2.7.2 (at once by the investigator; 24 hours as the trial's setting) for every serious
event; ICH E2A III.B (7 calendar days and 8 more for the complete report, or 15) for those alone that are suspected and
unexpected. All are settings of the protocol, and so is whether every serious event is reported onward.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

REPORT: Final = "sae"
EVENT: Final = "adverse_event"
# Codes of `criteria` for which the shorter period holds.
GRAVE: Final = frozenset({"death", "life"})
# Codes of `saerel` that leave no reasonable possibility of a relation.
UNRELATED: Final = frozenset({"none", "unlikely"})
# Codes of `saeout` after which nothing more is to be followed.
ENDED: Final = frozenset({"recovered", "sequelae", "fatal"})

Data = Mapping[str, Mapping[str, Any]]
ClockName = Literal["to_sponsor", "onward", "complete"]
State = Literal["in_time", "late", "running", "overdue", "unknown", "not_due", "contradicts"]
Stage = Literal["overdue", "running", "followed", "settled", "closed"]

# The item that holds when each period was met.
ITEMS: Final[Mapping[ClockName, str]] = {
    "to_sponsor": "reportedat",
    "onward": "onwardat",
    "complete": "completeat",
}


@dataclass(frozen=True)
class Periods:
    """Hours from awareness to the sponsor; days from there onward, for grave events and for others.

    `complete_days` more are left for the complete report of a grave event; `every` serious event goes onward where the
    trial says so, else only what is suspected and unexpected. The coordinators are reminded `warn_hours` before the
    report to the sponsor is due and `warn_onward_hours` before the later ones.
    """

    hours: int
    grave_days: int
    other_days: int
    complete_days: int = 8
    every: bool = False
    warn_hours: int = 6
    warn_onward_hours: int = 48

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Periods":
        return cls(
            int(settings.get("sae_report_hours", 24)),
            int(settings.get("sae_onward_grave_days", 7)),
            int(settings.get("sae_onward_days", 15)),
            int(settings.get("sae_complete_days", 8)),
            settings.get("sae_onward_for") == "every_serious_event",
            int(settings.get("sae_warn_hours", 6)),
            int(settings.get("sae_warn_onward_hours", 48)),
        )

    def warns_before(self, name: ClockName) -> dt.timedelta:
        """How long before that period runs out it is said that it will."""
        return dt.timedelta(hours=self.warn_hours if name == "to_sponsor" else self.warn_onward_hours)


@dataclass(frozen=True)
class Clock:
    """One period: since when it runs, until when, when it was met, and how that stands at the instant asked about."""

    name: ClockName
    since: dt.datetime | None
    due_at: dt.datetime | None
    done_at: dt.datetime | None
    state: State

    @property
    def unmet(self) -> bool:
        """Whether its report is still to be made: a time that cannot be true does not count as one."""
        return self.due_at is not None and self.state in ("running", "overdue", "contradicts")

    def past_due(self, now: dt.datetime) -> bool:
        """Whether it ran out unmet."""
        return self.unmet and self.due_at is not None and self.due_at < now


@dataclass(frozen=True)
class Difference:
    """What the two forms tell differently: a code, the numbers of event record and report (0: there is none)."""

    code: str
    event: int
    report: int


def clocks(data: Data, periods: Periods, now: dt.datetime) -> tuple[Clock, Clock, Clock]:
    """The clocks of a report. The later two run from the report to the sponsor, before it from awareness."""
    aware, reported = _at(data, "awareat"), _at(data, "reportedat")
    days = periods.grave_days if grave(data) else periods.other_days
    onward = periods.every or expedited(data)
    return (
        _clock("to_sponsor", aware, dt.timedelta(hours=periods.hours), aware, reported, now),
        _clock(
            "onward",
            reported or aware,
            dt.timedelta(days=days) if onward else None,
            aware,
            _at(data, "onwardat"),
            now,
        ),
        _clock(
            "complete",
            reported or aware,
            dt.timedelta(days=days + periods.complete_days) if onward and grave(data) else None,
            aware,
            _at(data, "completeat"),
            now,
        ),
    )


def grave(data: Data) -> bool:
    """Whether the event was fatal or threatened life."""
    return bool(GRAVE & set(_value(data, "criteria") or ())) or _value(data, "saeout") == "fatal"


def expedited(data: Data) -> bool:
    """Whether the event is suspected and unexpected; what nobody has judged yet counts as both."""
    return _value(data, "saerel") not in UNRELATED and _value(data, "expected") is not True


def stage(data: Data, found: Sequence[Clock], now: dt.datetime) -> Stage:
    """How far a report is: a period runs or has run out, its outcome is followed, all is told, it was closed."""
    states = {clock.state for clock in found}
    if overdue(found, now):
        return "overdue"
    if states & {"running", "unknown", "contradicts"}:
        return "running"
    if _value(data, "closedat"):
        return "closed"
    return "settled" if _value(data, "saeout") in ENDED else "followed"


def _clock(
    name: ClockName,
    since: dt.datetime | None,
    period: dt.timedelta | None,
    aware: dt.datetime | None,
    done: dt.datetime | None,
    now: dt.datetime,
) -> Clock:
    if period is None:
        return Clock(name, None, None, done, "not_due")
    if since is None:
        return Clock(name, None, None, done, "unknown")
    due = since + period
    if done is not None and aware is not None and before(done, aware):
        # What nobody knew of was not reported: one of the two entries is wrong.
        return Clock(name, since, due, done, "contradicts")
    if done is not None:
        return Clock(name, since, due, done, "in_time" if done <= due else "late")
    return Clock(name, since, due, None, "running" if now <= due else "overdue")


def differences(events: Mapping[int, Data], reports: Mapping[int, Data]) -> Iterator[Difference]:
    """Between the event records and the reports of one participant, each by its number."""
    named: dict[int, list[int]] = {}
    for number, report in sorted(reports.items()):
        event = int(_value(report, "saeno") or 0)
        named.setdefault(event, []).append(number)
        if not event:
            yield Difference("names_no_event", 0, number)
        elif event not in events:
            yield Difference("event_missing", event, number)
        else:
            yield from _between(event, events[event], number, report)
    for number, event_data in sorted(events.items()):
        if _value(event_data, "aeser") is True and number not in named:
            yield Difference("report_missing", number, 0)
    for event, numbers in sorted(named.items()):
        if event and len(numbers) > 1:
            yield Difference("reported_twice", event, numbers[-1])


def _between(number: int, event: Data, report_number: int, report: Data) -> Iterator[Difference]:
    if _value(event, "aeser") is not True:
        yield Difference("not_marked_serious", number, report_number)
    start, onset = str(_value(event, "aestdat") or ""), str(_value(report, "saestdat") or "")
    if start and onset and not onset.startswith(start):
        yield Difference("onset_differs", number, report_number)
    if _differ(event, "aeout", report, "saeout"):
        yield Difference("outcome_differs", number, report_number)
    if _differ(event, "aeterm", report, "saeterm"):
        yield Difference("term_differs", number, report_number)


def _differ(event: Data, name: str, report: Data, other: str) -> bool:
    first, second = _value(event, name), _value(report, other)
    return bool(first and second) and str(first).strip().casefold() != str(second).strip().casefold()


def onset(data: Data) -> str:
    """The day of onset as it was entered, perhaps partly; empty where unknown."""
    return str(_value(data, "saestdat") or "")


def aware(data: Data) -> dt.datetime | None:
    """When the hospital became aware."""
    return _at(data, "awareat")


def term(data: Data) -> str:
    """What happened, in the reporter's words."""
    return str(_value(data, "saeterm") or "")


def _value(data: Data, name: str) -> Any:
    return data.get(name, {}).get("value")


def _at(data: Data, name: str) -> dt.datetime | None:
    text = _value(data, name)
    return dt.datetime.fromisoformat(text) if text else None


def before(at: dt.datetime, aware: dt.datetime) -> bool:
    """Whether `at` lies before `aware`, to the minute: one of the two may have been entered to the second."""
    return at.replace(second=0, microsecond=0) < aware.replace(second=0, microsecond=0)


def overdue(found: Sequence[Clock], now: dt.datetime) -> list[Clock]:
    """Those that nobody has met in their time and that still run."""
    return [clock for clock in found if clock.past_due(now)]


def soon(found: Sequence[Clock], periods: Periods, now: dt.datetime) -> list[Clock]:
    """Those that still run and will soon have run out."""
    return [
        clock
        for clock in found
        if clock.unmet
        and clock.due_at
        and clock.due_at - periods.warns_before(clock.name) <= now <= clock.due_at
    ]
