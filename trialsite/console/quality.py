"""How complete and how clean the data are, for each participant and hospital: a fixed number of statements."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from django.db.models import Count, Exists, OuterRef, Q

from randomization import arms
from trialsite.casebook.models import ASKED_AT, Query, Record, Verification
from trialsite.console import casebook
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form, Item
from trialsite.sites.models import Site
from trialsite.staff.access import has, sites_of
from trialsite.staff.capabilities import ARM_SEE, RECORD_VIEW
from trialsite.staff.models import User
from visits import rules as visit_rules
from visits.models import Visit

# Days up to which an open query belongs to each column; the last is open.
AGES: Final = (7, 14, 30)


@dataclass(frozen=True)
class Progress:
    """Forms of one participant or hospital: `expected` are there or should be; `missing` and drafts lack of them.

    `overdue` are those, missing or drafts, whose visit's window has closed. `verified` are verified as a whole.
    """

    expected: int = 0
    complete: int = 0
    drafts: int = 0
    missing: int = 0
    overdue: int = 0
    verified: int = 0
    queries: int = 0
    visits_overdue: int = 0

    def __add__(self, other: "Progress") -> "Progress":
        return Progress(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def percent(self) -> int:
        """Complete of expected, rounded down: 100 means all."""
        return 100 * self.complete // self.expected if self.expected else 0

    @property
    def percent_verified(self) -> int:
        """Verified of complete, rounded down."""
        return 100 * self.verified // self.complete if self.complete else 0


def by_participant(actor: User) -> list[tuple[Participant, Progress]]:
    """Everybody whom `actor` may see, in the order of their codes."""
    cells = _cells(actor)
    visits: dict[int, list[Visit]] = defaultdict(list)
    for visit in Visit.objects.visible_to(actor).exclude(kind="unscheduled"):
        visits[visit.participant_id].append(visit)
    asked = dict(
        Query.objects.visible_to(actor)
        .open()
        .order_by()
        .values_list("participant_id")
        .annotate(number=Count("id"))
    )
    allocated = dict(arms.visible_to(actor).values_list("participant_id", "arm"))
    found = []
    for one in Participant.objects.visible_to(actor).with_protocol().order_by("code"):
        sees_arms = has(actor, ARM_SEE, site=one.site_id)
        progress = _progress(
            one, cells[one.pk], visits[one.pk], allocated.get(one.pk, ""), sees_arms=sees_arms
        )
        found.append((one, progress + Progress(queries=asked.get(one.pk, 0))))
    return found


def by_site(
    sites: Iterable[Site], rows: Sequence[tuple[Participant, Progress]]
) -> list[tuple[Site, int, Progress]]:
    """(hospital, its participants, their progress together)."""
    together: dict[int, Progress] = defaultdict(Progress)
    number: Counter[int] = Counter()
    for participant, progress in rows:
        together[participant.site_id] += progress
        number[participant.site_id] += 1
    return [(site, number[site.pk], together[site.pk]) for site in sites]


@dataclass(frozen=True)
class _Cell:
    """How many records there are of one form at one event."""

    records: int
    drafts: int
    verified: int


def _cells(actor: User) -> dict[int, dict[tuple[str, str], _Cell]]:
    whole = Verification.objects.standing().filter(record=OuterRef("pk"), item="")
    rows = (
        Record.objects.visible_to(actor)
        .begun()
        .order_by()
        .values_list("participant_id", "event", "form")
        .annotate(
            records=Count("id"),
            drafts=Count("id", filter=Q(state=Record.State.DRAFT)),
            verified=Count("id", filter=Exists(whole)),
        )
    )
    found: dict[int, dict[tuple[str, str], _Cell]] = defaultdict(dict)
    for participant, event, form, *counts in rows:
        found[participant][event, form] = _Cell(*counts)
    return found


def _progress(
    participant: Participant,
    cells: Mapping[tuple[str, str], _Cell],
    visits: Sequence[Visit],
    arm: str,
    *,
    sees_arms: bool,
) -> Progress:
    definition = participant.protocol_version.definition
    begun = {event for (event, _form), cell in cells.items() if cell.records > cell.drafts}
    due = casebook.events_due(participant, definition, visits, begun)
    awaited = {
        (event.code, form.code)
        for event in definition.visits
        if event.code in due and (not event.reveals_arm or (sees_arms and arm in event.arms))
        for form in definition.forms_at(event.code)
        if casebook.expects(form) and (sees_arms or not form.reveals_arm)
    }
    today = clock.today(participant.site.timezone)
    past = {visit.code for visit in visits if visit.closes_on < today}
    drafts = {place for place, cell in cells.items() if cell.drafts and definition.asks(*place)}
    missing = awaited - set(cells)
    return Progress(
        expected=len(awaited | set(cells)),
        complete=len(set(cells) - drafts),
        drafts=len(drafts),
        missing=len(missing),
        overdue=sum(event in past for event, _form in missing | drafts),
        verified=sum(cell.verified == cell.records for cell in cells.values()),
        visits_overdue=sum(
            visit.state in visit_rules.OPEN
            and visit.closes_on < today
            and visit.code != definition.parts.randomization.code
            for visit in visits
        ),
    )


def ages(actor: User, sites: Iterable[Site], now: dt.datetime) -> list[tuple[Site, str, list[int]]]:
    """(hospital, state, open queries by age): one column for each of `AGES` and one for what is older.

    A query that was asked again is as old as that.
    """
    counted: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0] * (len(AGES) + 1))
    rows = Query.objects.visible_to(actor).open().annotate(asked_at=ASKED_AT).order_by()
    for site, state, since in rows.values_list("site_id", "state", "asked_at"):
        days = (now - since).days
        counted[site, state][sum(days > limit for limit in AGES)] += 1
    return [
        (site, state, counted[site.pk, state])
        for site in sites
        for state in (Query.State.OPEN, Query.State.ANSWERED)
        if (site.pk, state) in counted
    ]


@dataclass(frozen=True)
class Plotted:
    """One value of an item: whose it is, where it stands, and whether it lies outside the soft range."""

    site: str
    participant: str
    event: str
    repeat: int
    value: Fraction
    outside: bool


def questioned(actor: User, definition: Definition) -> list[tuple[Form, Item, int]]:
    """Items with a soft range, those that were asked about most at the top: (form, item, how often)."""
    sees_arms = sites_of(actor, ARM_SEE) != []
    rows = Query.objects.visible_to(actor).filter(check_id__startswith="soft:").order_by()
    asked = {
        (form, item): number
        for form, item, number in rows.values_list("record__form", "item").annotate(number=Count("id"))
    }
    found = [
        (form, item, asked.get((form.code, item.name), 0))
        for form in definition.forms
        if sees_arms or not form.reveals_arm
        for item in form.items.values()
        if item.soft
    ]
    return sorted(found, key=lambda row: -row[2])


def values_of(actor: User, form: Form, item: Item) -> list[Plotted]:
    """All values of `item` that `actor` may see, in one statement."""
    rows = (
        Record.objects.visible_to(actor)
        .filter(form=form.code, data__has_key=item.name)
        .order_by("participant__code", "event", "repeat")
    )
    named = rows.values_list("site__code", "participant__code", "event", "repeat", f"data__{item.name}")
    return [
        Plotted(site, participant, event, repeat, value, item.soft is not None and not item.soft.holds(value))
        for site, participant, event, repeat, stored in named
        if (value := _number(stored)) is not None
    ]


def _number(stored: Any) -> Fraction | None:
    """The canonical number of an entry; a computed one as it is shown."""
    text = stored.get("si") or (stored.get("value") if stored.get("computed") else None)
    return Fraction(text) if text else None


def hospitals(actor: User) -> list[Site]:
    """Those of which `actor` may read records."""
    return list(Site.objects.visible_to(actor, RECORD_VIEW))
