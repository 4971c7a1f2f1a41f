"""What the pages show, read through `visible_to` with a constant number of queries."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from eligibility.models import SignedVerdict
from trialsite.audit.context import Actor
from trialsite.core import clock
from trialsite.enrollment import steps
from trialsite.participants.models import Participant, Withdrawal
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import has
from visits import rules
from visits.models import Visit

IN_TRIAL = ("operated", "randomized", "completed", "withdrawn", "dead")


@dataclass(frozen=True)
class Accrual:
    """Randomized participants of one hospital against its target."""

    site: Site
    randomized: int
    registered: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.randomized / self.site.target))


def accrual(actor: Actor) -> list[Accrual]:
    """One row for each hospital that the actor may see participants of.

    Whoever was randomized counts for good, whatever became of them; the visit tells it also to those who see no arms.
    """
    allocated = Visit.objects.filter(
        participant=OuterRef("pk"), code__in=_randomization(), state=Visit.State.ATTENDED
    )
    counted = (
        Participant.objects.visible_to(actor)
        .annotate(was_randomized=Exists(allocated))
        .values("site_id")
        .annotate(registered=Count("id"), randomized=Count("id", filter=Q(was_randomized=True)))
    )
    by_site: dict[int, Any] = {row["site_id"]: row for row in counted}
    return [
        Accrual(
            site, by_site.get(site.pk, {}).get("randomized", 0), by_site.get(site.pk, {}).get("registered", 0)
        )
        for site in Site.objects.visible_to(actor, "participant.view")
    ]


def _randomization() -> list[str]:
    """The visit of the randomization, which has a step and no appointment; none before a protocol is loaded."""
    version = ProtocolVersion.objects.current()
    return [version.definition.parts.randomization.code] if version else []


def by_status(actor: Actor) -> list[tuple[str, str, int]]:
    """(status, label, number) in the order of the path."""
    counted = dict(
        Participant.objects.visible_to(actor)
        .values_list("status")
        .annotate(number=Count("id"))
        .order_by("status")
    )
    return [(value, str(label), counted.get(value, 0)) for value, label in Participant.Status.choices]


def signed(actor: Actor) -> Any:
    """Participants with `is_signed` (a signature on eligibility stands), `is_settled` (no visit is open),
    `is_forgone` (the randomization will not take place), `is_late` (the days for it are over) and `is_untreated`
    (withdrawn from treatment).
    """
    standing = SignedVerdict.objects.filter(participant=OuterRef("pk"), signature__fallen_at=None)
    expected = Visit.objects.open().filter(participant=OuterRef("pk"))
    forgone = Visit.objects.filter(
        participant=OuterRef("pk"), state=Visit.State.MISSED, code__in=_randomization()
    )
    late = Visit.objects.pressing(["overdue"], clock.now()).filter(
        participant=OuterRef("pk"), code__in=_randomization()
    )
    rows = Participant.objects.visible_to(actor).select_related("site")
    left = Withdrawal.objects.filter(participant=OuterRef("pk"), level=Withdrawal.Level.TREATMENT)
    return rows.annotate(
        is_signed=Exists(standing),
        is_settled=~Exists(expected),
        is_forgone=Exists(forgone),
        is_late=Exists(late),
        is_untreated=Exists(left),
    )


def steps_due(actor: Actor) -> list[tuple[Participant, steps.Step]]:
    """Participants whose next step waits, those nearest to randomization first; only steps the actor may take."""
    before = ["registered", "consented", "eligible", "operated"]
    waiting = signed(actor).filter(Q(status__in=before) | Q(status="randomized", is_settled=True))
    order = {"operated": 0, "eligible": 1, "consented": 2, "registered": 3, "randomized": 4}
    found = []
    for participant in waiting:
        step = steps.next_step(
            participant.status,
            signed=participant.is_signed,
            settled=participant.is_settled,
            forgone=participant.is_forgone,
            untreated=participant.is_untreated,
            late=participant.is_late,
        )
        if step and has(actor, step.capability, site=participant.site_id):
            found.append((participant, step))
    return sorted(found, key=lambda pair: (order[pair[0].status], pair[0].code))


@dataclass(frozen=True)
class Due:
    """An open visit and how pressing it is."""

    visit: Visit
    urgency: str

    @property
    def to_book(self) -> bool:
        return self.visit.appointment_at is None


def appointments_today(actor: Actor, *, site: str = "") -> list[Visit]:
    """Who is expected today by the hospital's date, in the order of the appointments; whoever has come is settled."""
    now, day = clock.now(), dt.timedelta(days=1)
    rows = (
        Visit.objects.visible_to(actor)
        .filter(state=Visit.State.BOOKED, appointment_at__range=(now - day, now + day))
        .select_related("participant", "site", "staff")
        .order_by("appointment_at", "pk")
    )
    if site:
        rows = rows.filter(site__code=site)
    return [
        visit
        for visit in rows
        if visit.appointment_at
        and clock.local_date(visit.appointment_at, visit.site.timezone)
        == clock.local_date(now, visit.site.timezone)
    ]


def visits_due(actor: Actor, *, within: int = 14, site: str = "") -> list[Due]:
    """Open visits that are overdue, open, or open within the days given; most urgent first."""
    now = clock.now()
    horizon = now.date() + dt.timedelta(days=within + 1)
    rows = (
        Visit.objects.visible_to(actor)
        .open()
        .filter(opens_on__lte=horizon)
        .exclude(code__in=_randomization())
        .select_related("participant", "site")
    )
    if site:
        rows = rows.filter(site__code=site)
    order: Sequence[str] = ("overdue", "closing", "open", "later")
    due = [
        Due(
            visit,
            rules.urgency(
                visit.state, visit.opens_on, visit.closes_on, clock.local_date(now, visit.site.timezone)
            ),
        )
        for visit in rows
    ]
    return sorted(due, key=lambda row: (order.index(row.urgency), row.visit.closes_on, row.visit.pk))
