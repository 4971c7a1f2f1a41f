"""The casebook as readers see it: forms × events with the state of each, derived when asked and stored nowhere."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from randomization import arms
from trialsite.casebook.models import CasebookSignature, Lock, Record
from trialsite.casebook.progress import STATES, locks_over, reached, reviewed
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.definition import Visit as Event
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import has
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User
from visits import rules as visit_rules
from visits.models import Visit

_LADDER: Final = tuple(STATES)
_STILL_CAPTURED: Final = ("consented", "eligible", "operated", "randomized", "completed")


@dataclass(frozen=True)
class Cell:
    """One form at one event: its records (several where it repeats), and how far they are."""

    event: Event
    form: Form
    records: Sequence[Record]
    queries: int
    reached: str

    @property
    def state(self) -> str:
        """The state that is shown: an open query goes before all others, for it waits for someone."""
        return "queried" if self.queries else self.reached

    @property
    def symbol(self) -> str:
        return STATES[self.state][0]

    @property
    def words(self) -> str:
        """The state in words; with a query, how far the record is besides."""
        reached = str(STATES[self.reached][1])
        return f"{reached} · {STATES['queried'][1]}: {self.queries}" if self.queries else reached

    @property
    def waits(self) -> bool:
        """Whether entries are still to come."""
        return self.reached in ("expected", "draft")


@dataclass(frozen=True)
class Casebook:
    """What there is of one participant, for one reader."""

    events: Sequence[Event]
    forms: Sequence[Form]
    cells: Mapping[tuple[str, str], Cell]
    signature: CasebookSignature | None
    # Freezes and locks over the participant, a visit or everything.
    locks: Sequence[Lock] = ()

    @property
    def rows(self) -> list[tuple[Form, list[Cell | None]]]:
        """(form, its cell at each event or None where it is not collected)."""
        return [
            (form, [self.cells.get((event.code, form.code)) for event in self.events]) for form in self.forms
        ]

    @property
    def expected(self) -> int:
        """How many forms are there or should be by now."""
        return sum(cell.reached != "empty" for cell in self.cells.values())

    @property
    def complete(self) -> int:
        return sum(cell.reached != "empty" and not cell.waits for cell in self.cells.values())

    @property
    def queries(self) -> int:
        return sum(cell.queries for cell in self.cells.values())

    def at(self, event: str) -> list[Cell]:
        """The cells of one event, in the order of the protocol."""
        return [cell for (code, _form), cell in self.cells.items() if code == event]

    @property
    def current(self) -> Event | None:
        """The first event at which something is still to be entered; else the last at which something was."""
        waiting = [event for event in self.events if any(cell.waits for cell in self.at(event.code))]
        begun = [event for event in self.events if any(cell.records for cell in self.at(event.code))]
        return waiting[0] if waiting else begun[-1] if begun else None


def read(actor: User, participant: Participant) -> Casebook:
    """The casebook of `participant` as `actor` may see it. The number of statements does not depend on the data."""
    definition = participant.protocol_version.definition
    sees_arms = has(actor, ARM_SEE, site=participant.site_id)
    allocation = arms.of(actor, participant) if sees_arms else None
    events = [
        event
        for event in definition.visits
        if not event.reveals_arm or (sees_arms and allocation and allocation.arm in event.arms)
    ]
    stored: dict[tuple[str, str], list[Record]] = {}
    for record in reviewed(Record.objects.visible_to(actor).filter(participant=participant)):
        stored.setdefault((record.event, record.form), []).append(record)
    locks = locks_over(actor, participant)
    visits = Visit.objects.visible_to(actor).filter(participant=participant)
    due = events_due(participant, definition, visits, _begun(stored))
    cells = {}
    for event in events:
        for form in definition.forms_at(event.code):
            if form.reveals_arm and not sees_arms:
                continue
            records = stored.get((event.code, form.code), [])
            expected = event.code in due and expects(form)
            cells[event.code, form.code] = _cell(event, form, records, locks, expected=expected)
    codes = {form for _event, form in cells}
    forms = [form for form in _in_order(definition) if form.code in codes]
    for cell in _former(stored, cells, locks):
        cells[cell.event.code, cell.form.code] = cell
        events += [cell.event] if cell.event.code not in {event.code for event in events} else []
        forms += [cell.form] if cell.form.code not in {form.code for form in forms} else []
    return Casebook(
        events=events,
        forms=forms,
        cells=cells,
        signature=CasebookSignature.objects.visible_to(actor)
        .filter(participant=participant)
        .select_related("signature")
        .order_by("-signature__signed_at")
        .first(),
        locks=[lock for lock in locks if lock.record_id is None],
    )


def expects(form: Form) -> bool:
    """Whether a form is awaited where it is due: one that repeats or belongs to a step is never."""
    return not form.drives and not form.repeating


def _cell(event: Event, form: Form, records: list[Record], locks: Sequence[Lock], *, expected: bool) -> Cell:
    begun = [record for record in records if not record.holds_nothing]
    stages = [reached(record, locks) for record in begun] or ["expected" if expected else "empty"]
    asked = sum(getattr(record, "asked", 0) for record in records)
    return Cell(event, form, records, asked, min(stages, key=_LADDER.index))


def _former(
    stored: Mapping[tuple[str, str], list[Record]],
    cells: Mapping[tuple[str, str], Cell],
    locks: Sequence[Lock],
) -> list[Cell]:
    """What is recorded where the participant's version asks for nothing more, as the record's own version has it."""
    left = {place: records for place, records in stored.items() if place not in cells}
    if not left:
        return []
    wanted = {records[0].protocol_version_id for records in left.values()}
    versions = ProtocolVersion.objects.defer("document").in_bulk(wanted)
    found = []
    for (event, form), records in left.items():
        own = versions[records[0].protocol_version_id].definition
        found.append(_cell(own.visit(event), own.form(form), records, locks, expected=False))
    return found


def _in_order(definition: Definition) -> list[Form]:
    """The forms in the order in which the schedule first names them."""
    codes = dict.fromkeys(code for event in definition.visits for code in event.forms)
    return [definition.form(code) for code in codes]


def _begun(stored: Mapping[tuple[str, str], Sequence[Record]]) -> set[str]:
    """Events at which something complete stands."""
    return {
        event
        for (event, _form), records in stored.items()
        if any(one.state == Record.State.COMPLETE for one in records)
    }


def events_due(
    participant: Participant, definition: Definition, visits: Iterable[Visit], begun: Set[str]
) -> set[str]:
    """Events whose forms should be there by now, from the visits of `participant` and the events `begun`.

    A planned visit is due from the opening of its window, unless it was missed. An event that is planned for nobody
    (screening, baseline) is due as soon as something complete stands at each event that it must follow.
    """
    if participant.status == "registered":
        return set()
    today = clock.today(participant.site.timezone)
    planned = {visit.code: _is_due(visit, today) for visit in visits}
    captured = participant.status in _STILL_CAPTURED
    unplanned = {
        event.code
        for event in definition.visits
        if captured
        and event.kind == "milestone"
        and event.code not in planned
        and begun >= set(event.must_follow)
    }
    return {code for code, due in planned.items() if due} | unplanned


def _is_due(visit: Visit, today: dt.date) -> bool:
    if visit.kind == "unscheduled":
        return False
    return visit.state == Visit.State.ATTENDED or (
        visit.state in visit_rules.OPEN and visit.opens_on <= today
    )
