"""Reading reports and differences from the records: a fixed number of queries, whatever the number of participants.

Each record is read by the version of the protocol that it stands under, which names the forms and items.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Q

from trialsite.audit.models import Event
from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.participants.models import Participant
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.safety import Safety
from trialsite.safety import rules
from trialsite.safety.rules import AdverseEvent, Case, Clock, Difference, Periods
from trialsite.staff.models import User


class Named:
    """What each version of the protocol names as the forms and items of safety."""

    def __init__(self) -> None:
        versions = ProtocolVersion.objects.defer("document")
        found = {one.pk: one.definition.safety for one in versions}
        self._by_version = {pk: safety for pk, safety in found.items() if safety}

    def of(self, record: Record) -> Safety:
        """That of the version under which `record` stands."""
        return self._by_version[record.protocol_version_id]

    def is_report(self, record: Record) -> bool:
        """Whether the record is the report of a serious adverse event."""
        safety = self._by_version.get(record.protocol_version_id)
        return safety is not None and record.form == safety.report.form

    @cached_property
    def reports(self) -> Q:
        """Reports of serious adverse events."""
        return self._any(lambda safety: Q(form=safety.report.form))

    @cached_property
    def events(self) -> Q:
        """Adverse events."""
        return self._any(lambda safety: Q(form=safety.event.form))

    @cached_property
    def serious(self) -> Q:
        """Adverse events that are marked as serious."""
        return self._any(
            lambda safety: Q(form=safety.event.form, data__contains={safety.event.serious: {"value": True}})
        )

    def _any(self, wanted: Callable[[Safety], Q]) -> Q:
        # None of the versions may have a form for it: then no record is one.
        found = Q(pk__in=())
        for pk, safety in self._by_version.items():
            found |= Q(protocol_version=pk) & wanted(safety)
        return found


@dataclass(frozen=True)
class Report:
    """A report of a serious adverse event with its clocks."""

    record: Record
    case: Case
    clocks: tuple[Clock, Clock, Clock]
    stage: rules.Stage

    @property
    def urgent(self) -> dt.datetime | None:
        """The earliest instant that is still open; None where nothing is."""
        return min((one.due_at for one in self.clocks if one.due_at and one.unmet), default=None)

    @property
    def goes_onward(self) -> bool:
        """Whether it goes onward by what is judged so far."""
        return self.clocks[1].state != "not_due"


@dataclass(frozen=True)
class Compared:
    """What the two forms of one participant tell differently; None where one of them is not recorded."""

    participant: Participant
    difference: Difference
    event: Record | None
    report: Record | None

    @property
    def numbered(self) -> tuple[tuple[int, Record | None], ...]:
        """Event and report: the number that is named, 0 for none, and the record of that number."""
        return (self.difference.event, self.event), (self.difference.report, self.report)


def settings() -> Mapping[str, Any]:
    """Those of the protocol in force."""
    version = ProtocolVersion.objects.current()
    return version.definition.settings if version else {}


def periods() -> Periods:
    """As the protocol in force sets them."""
    return Periods.of(settings())


def reports(actor: User, now: dt.datetime) -> list[Report]:
    """All reports that `actor` may see, what is due first at the top and what is settled last."""
    given, named = periods(), Named()
    rows = (
        Record.objects.visible_to(actor).begun().filter(named.reports).select_related("participant", "site")
    )
    found = [report(row, named, given, now) for row in rows]
    return sorted(found, key=lambda one: (one.urgent is None, one.urgent or now, _newest(one)))


def _newest(one: Report) -> tuple[float, str, int]:
    """What became known last first; keys are drawn at random and tell no order."""
    aware = one.case.aware.timestamp() if one.case.aware else 0.0
    return -aware, one.record.participant.code, one.record.repeat


def report(record: Record, named: Named, given: Periods, now: dt.datetime) -> Report:
    """The report that `record` holds, at `now`."""
    case = Case.of(record.data, named.of(record))
    clocks = rules.clocks(case, given, now)
    return Report(record, case, clocks, rules.stage(case, clocks, now))


def unaware_since(record: Record, named: Named) -> dt.datetime:
    """Since when a report lacks the time of awareness."""
    return _since(record, lambda data: Case.of(data, named.of(record)).aware is None)


def serious_since(record: Record, named: Named) -> dt.datetime:
    """Since when an adverse event is marked as serious."""
    serious = named.of(record).event.serious
    return _since(record, lambda data: data.get(serious, {}).get("value") is True)


def _since(record: Record, holds: Callable[[Mapping[str, Any]], bool]) -> dt.datetime:
    """The first of the saves, up to the last one, after which that held without a break, as the trail tells."""
    since = record.updated_at
    for event in Event.objects.of_row("casebook_record", record.pk):
        if "data" not in event.changes:
            continue
        if not holds(event.changes["data"][1] or {}):
            break
        since = dt.datetime.fromisoformat(event.changes["updated_at"][1])
    return since


def differences(actor: User) -> Iterator[Compared]:
    """Between the forms of all participants whom `actor` may see."""
    named = Named()
    return compared(Record.objects.visible_to(actor).begun().filter(named.reports | named.events), named)


def compared(rows: RecordQuerySet, named: Named) -> Iterator[Compared]:
    """Between the reports and the adverse events among `rows`."""
    told: dict[Participant, tuple[dict[int, Record], dict[int, Record]]] = defaultdict(lambda: ({}, {}))
    for row in rows.select_related("participant", "site").order_by("participant__code", "form", "repeat"):
        told[row.participant][named.is_report(row)][row.repeat] = row
    for participant, (events, reports) in told.items():
        for one in rules.differences(
            {number: AdverseEvent.of(row.data, named.of(row)) for number, row in events.items()},
            {number: Case.of(row.data, named.of(row)) for number, row in reports.items()},
        ):
            yield Compared(participant, one, events.get(one.event), reports.get(one.report))
