"""Reading reports and differences from the records: a fixed number of queries, whatever the number of participants."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trialsite.casebook.models import Record
from trialsite.protocol.models import ProtocolVersion
from trialsite.safety import rules
from trialsite.safety.rules import Clock, Difference, Periods
from trialsite.staff.models import User


@dataclass(frozen=True)
class Report:
    """A report of a serious adverse event with its clocks."""

    record: Record
    clocks: tuple[Clock, Clock]

    @property
    def urgent(self) -> dt.datetime | None:
        """The earliest instant that is still open; None where nothing is."""
        return min((one.due_at for one in self.clocks if one.due_at and not one.done_at), default=None)


def periods() -> Periods:
    """As the protocol in force sets them."""
    version = ProtocolVersion.objects.current()
    return Periods.of(version.definition.settings if version else {})


def reports(actor: User, now: dt.datetime) -> list[Report]:
    """All reports that `actor` may see, what is due first at the top and what is settled last."""
    given = periods()
    rows = Record.objects.visible_to(actor).filter(form=rules.REPORT).select_related("participant", "site")
    found = [Report(row, rules.clocks(row.data, given, now)) for row in rows]
    return sorted(found, key=lambda one: (one.urgent is None, one.urgent or now, -one.record.pk))


def differences(actor: User) -> Iterator[tuple[Any, Difference]]:
    """(participant, difference) of all participants whom `actor` may see."""
    rows = Record.objects.visible_to(actor).filter(form__in=(rules.REPORT, rules.EVENT))
    by_participant: dict[Any, dict[str, dict[int, Any]]] = defaultdict(
        lambda: {rules.REPORT: {}, rules.EVENT: {}}
    )
    for row in rows.select_related("participant", "site").order_by("participant__code", "form", "repeat"):
        by_participant[row.participant][row.form][row.repeat] = row.data
    for participant, forms in by_participant.items():
        for difference in rules.differences(forms[rules.EVENT], forms[rules.REPORT]):
            yield participant, difference
