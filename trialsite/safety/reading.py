"""Reading reports and differences from the records: a fixed number of queries, whatever the number of participants."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trialsite.casebook.models import Record, RecordQuerySet
from trialsite.protocol.models import ProtocolVersion
from trialsite.safety import rules
from trialsite.safety.rules import Clock, Difference, Periods
from trialsite.staff.models import User


@dataclass(frozen=True)
class Report:
    """A report of a serious adverse event with its clocks."""

    record: Record
    clocks: tuple[Clock, Clock, Clock]
    stage: rules.Stage

    @property
    def urgent(self) -> dt.datetime | None:
        """The earliest instant that is still open; None where nothing is."""
        return min((one.due_at for one in self.clocks if one.due_at and one.unmet), default=None)

    @property
    def onset(self) -> str:
        return rules.onset(self.record.data)

    @property
    def aware_at(self) -> dt.datetime | None:
        return rules.aware(self.record.data)

    @property
    def term(self) -> str:
        return rules.term(self.record.data)

    @property
    def grave(self) -> bool:
        return rules.grave(self.record.data)

    @property
    def expedited(self) -> bool:
        """Whether it goes onward by what is judged so far."""
        return self.clocks[1].state != "not_due"


def settings() -> Mapping[str, Any]:
    """Those of the protocol in force."""
    version = ProtocolVersion.objects.current()
    return version.definition.settings if version else {}


def periods() -> Periods:
    """As the protocol in force sets them."""
    return Periods.of(settings())


def reports(actor: User, now: dt.datetime) -> list[Report]:
    """All reports that `actor` may see, what is due first at the top and what is settled last."""
    given = periods()
    rows = Record.objects.visible_to(actor).filter(form=rules.REPORT).select_related("participant", "site")
    found = [report(row, given, now) for row in rows]
    return sorted(found, key=lambda one: (one.urgent is None, one.urgent or now, _newest(one)))


def _newest(one: Report) -> tuple[float, str, int]:
    """What became known last first; keys are drawn at random and tell no order."""
    aware = one.aware_at.timestamp() if one.aware_at else 0.0
    return -aware, one.record.participant.code, one.record.repeat


def report(record: Record, given: Periods, now: dt.datetime) -> Report:
    """The report that `record` holds, at `now`."""
    clocks = rules.clocks(record.data, given, now)
    return Report(record, clocks, rules.stage(record.data, clocks, now))


def differences(actor: User) -> Iterator[tuple[Any, Difference]]:
    """(participant, difference) of all participants whom `actor` may see."""
    return compared(Record.objects.visible_to(actor).filter(form__in=(rules.REPORT, rules.EVENT)))


def compared(rows: RecordQuerySet) -> Iterator[tuple[Any, Difference]]:
    """(participant, difference) between the reports and the adverse events among `rows`."""
    by_participant: dict[Any, dict[str, dict[int, Any]]] = defaultdict(
        lambda: {rules.REPORT: {}, rules.EVENT: {}}
    )
    for row in rows.select_related("participant", "site").order_by("participant__code", "form", "repeat"):
        by_participant[row.participant][row.form][row.repeat] = row.data
    for participant, forms in by_participant.items():
        for difference in rules.differences(forms[rules.EVENT], forms[rules.REPORT]):
            yield participant, difference
