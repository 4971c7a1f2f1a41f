"""When a serious adverse event must have been reported, and what its two forms say differently: pure.

Source of the periods: ICH E6(R3) 2.7.2 (at once by the investigator; 24 hours as the trial's setting) for every serious
event; ICH E2A III.B (7 calendar days and 8 more for the complete report, or 15) for those alone that are suspected and
unexpected. All are settings of the protocol, and so is whether every serious event is reported onward.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trialsite.protocol.safety import Safety

Data = Mapping[str, Mapping[str, Any]]
ClockName = Literal["to_sponsor", "onward", "complete"]
State = Literal["in_time", "late", "running", "overdue", "unknown", "not_due", "contradicts"]
Stage = Literal["overdue", "running", "followed", "settled", "closed"]


@dataclass(frozen=True)
class AdverseEvent:
    """An adverse event as its form tells it; `onset` as it was entered, perhaps partly, empty where unknown."""

    serious: bool
    onset: str
    term: str
    outcome: str

    @classmethod
    def of(cls, data: Data, safety: Safety) -> "AdverseEvent":
        form = safety.event
        return cls(
            _value(data, form.serious) is True,
            _text(data, form.onset),
            _text(data, form.term),
            _text(data, form.outcome),
        )


@dataclass(frozen=True)
class Case:
    """A serious adverse event as its report tells it.

    `event` is the number of the event's record, 0 for none. `grave`: fatal, or life was threatened. `expedited`:
    suspected and unexpected; what nobody has judged yet counts as both. `ended`: its outcome is final.
    """

    event: int
    onset: str
    term: str
    outcome: str
    aware: dt.datetime | None
    done: Mapping[ClockName, dt.datetime | None]
    closed: bool
    grave: bool
    expedited: bool
    ended: bool

    @classmethod
    def of(cls, data: Data, safety: Safety) -> "Case":
        form = safety.report
        outcome = _text(data, form.outcome)
        fatal = outcome in safety.fatal
        return cls(
            event=int(_value(data, form.event) or 0),
            onset=_text(data, form.onset),
            term=_text(data, form.term),
            outcome=outcome,
            aware=_at(data, form.aware),
            done={
                "to_sponsor": _at(data, form.to_sponsor),
                "onward": _at(data, form.onward),
                "complete": _at(data, form.complete),
            },
            closed=bool(_value(data, form.closed)),
            grave=fatal or bool(safety.grave & set(_value(data, form.criteria) or ())),
            expedited=_value(data, form.relation) not in safety.unrelated
            and _value(data, form.expected) is not True,
            ended=outcome in safety.ended,
        )


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


def clocks(case: Case, periods: Periods, now: dt.datetime) -> tuple[Clock, Clock, Clock]:
    """The clocks of a report. The later two run from the report to the sponsor, before it from awareness."""
    since = case.done["to_sponsor"] or case.aware
    days = dt.timedelta(days=periods.grave_days if case.grave else periods.other_days)
    onward = periods.every or case.expedited
    more = dt.timedelta(days=periods.complete_days)
    return (
        _clock("to_sponsor", case, case.aware, dt.timedelta(hours=periods.hours), now),
        _clock("onward", case, since, days if onward else None, now),
        _clock("complete", case, since, days + more if onward and case.grave else None, now),
    )


def stage(case: Case, found: Sequence[Clock], now: dt.datetime) -> Stage:
    """How far a report is: a period runs or has run out, its outcome is followed, all is told, it was closed."""
    states = {clock.state for clock in found}
    if overdue(found, now):
        return "overdue"
    if states & {"running", "unknown", "contradicts"}:
        return "running"
    if case.closed:
        return "closed"
    return "settled" if case.ended else "followed"


def _clock(
    name: ClockName, case: Case, since: dt.datetime | None, period: dt.timedelta | None, now: dt.datetime
) -> Clock:
    done = case.done[name]
    if period is None:
        return Clock(name, None, None, done, "not_due")
    if since is None:
        return Clock(name, None, None, done, "unknown")
    due = since + period
    if done is not None and case.aware is not None and before(done, case.aware):
        # What nobody knew of was not reported: one of the two entries is wrong.
        return Clock(name, since, due, done, "contradicts")
    if done is not None:
        return Clock(name, since, due, done, "in_time" if done <= due else "late")
    return Clock(name, since, due, None, "running" if now <= due else "overdue")


def differences(events: Mapping[int, AdverseEvent], reports: Mapping[int, Case]) -> Iterator[Difference]:
    """Between the event records and the reports of one participant, each by its number."""
    named: dict[int, list[int]] = {}
    for number, case in sorted(reports.items()):
        named.setdefault(case.event, []).append(number)
        if not case.event:
            yield Difference("names_no_event", 0, number)
        elif case.event not in events:
            yield Difference("event_missing", case.event, number)
        else:
            yield from _between(case.event, events[case.event], number, case)
    for number, event in sorted(events.items()):
        if event.serious and number not in named:
            yield Difference("report_missing", number, 0)
    for number, numbers in sorted(named.items()):
        if number and len(numbers) > 1:
            yield Difference("reported_twice", number, numbers[-1])


def _between(number: int, event: AdverseEvent, report: int, case: Case) -> Iterator[Difference]:
    if not event.serious:
        yield Difference("not_marked_serious", number, report)
    if event.onset and case.onset and not case.onset.startswith(event.onset):
        yield Difference("onset_differs", number, report)
    if _differ(event.outcome, case.outcome):
        yield Difference("outcome_differs", number, report)
    if _differ(event.term, case.term):
        yield Difference("term_differs", number, report)


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one.strip().casefold() != other.strip().casefold()


def _value(data: Data, name: str) -> Any:
    return data.get(name, {}).get("value")


def _text(data: Data, name: str) -> str:
    return str(_value(data, name) or "")


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
