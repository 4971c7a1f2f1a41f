"""Which forms and items tell of adverse events, and what their codes mean: pure. The code knows parts, no codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EventForm:
    """The form of an adverse event, and its items: begin, what happened, whether it is serious, how it ended."""

    form: str
    onset: str
    term: str
    serious: str
    outcome: str


@dataclass(frozen=True)
class ReportForm:
    """The form of the report of a serious one, and its items.

    `event` holds the number of the event's record; `aware`, `to_sponsor`, `onward`, `complete` and `closed` are
    instants.
    """

    form: str
    event: str
    onset: str
    term: str
    outcome: str
    criteria: str
    relation: str
    expected: str
    aware: str
    to_sponsor: str
    onward: str
    complete: str
    closed: str

    def awareness(self, form: str, data: Mapping[str, Any]) -> str | None:
        """The item of awareness where `data` are those of a report that tells it."""
        return self.aware if form == self.form and "value" in data.get(self.aware, {}) else None


@dataclass(frozen=True)
class MedicationForm:
    """The form of a drug given beside, with its begin and end."""

    form: str
    start: str
    end: str


@dataclass(frozen=True)
class Safety:
    """The forms of safety, and the codes on which its periods hang.

    `grave` are criteria and `fatal` outcomes for which the shorter periods hold; `unrelated` are relations that leave
    no reasonable possibility; `ended` are outcomes after which nothing more is followed.
    """

    event: EventForm
    report: ReportForm
    medication: MedicationForm | None
    grave: frozenset[str]
    fatal: frozenset[str]
    unrelated: frozenset[str]
    ended: frozenset[str]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Safety":
        return cls(
            event=EventForm(**document["event"]),
            report=ReportForm(**document["report"]),
            medication=MedicationForm(**document["medication"]) if "medication" in document else None,
            **{name: frozenset(document[name]) for name in ("grave", "fatal", "unrelated", "ended")},
        )
