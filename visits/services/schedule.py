"""The schedule: windows from their anchors, and what moves them."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Visit as VisitDef
from trialsite.staff.models import User
from visits import rules
from visits.errors import AnchorDiffers, BadDate
from visits.models import FormerWindow, Visit
from visits.services.locking import change, need_reason, window_of

Anchors = Mapping[str, dt.date]


def schedule(
    *,
    actor: User,
    participant: Participant,
    anchors: Anchors,
    visits: Sequence[VisitDef],
    known: Sequence[Visit] | None = None,
) -> list[Visit]:
    """Write the visits whose anchor is known and that lie after it; a second call with the same anchors writes nothing.

    `anchors` are local dates by name: surgery, randomization, end_of_local_treatment, visit:<code>. Milestones up to
    the anchor itself (screening, baseline, surgery) are past and are not scheduled. Called by enrollment, which has
    asked for the capability of the step; `known` are the planned visits, where it holds the participant under lock and
    has read them since. Raises AnchorDiffers for another anchor, BadDate for a partial one.
    """
    _require_dates(anchors)
    coming = [visit for visit in visits if visit.anchor in anchors and _comes_after(visit)]
    if not coming:
        return []
    with acting(actor):
        planned = [_planned(participant, anchors[visit.anchor], visit) for visit in coming]
        codes = {visit.code for visit in planned}
        if known is None:
            Visit.objects.bulk_create(planned, ignore_conflicts=True)
            made = list(Visit.objects.filter(participant=participant, code__in=codes))
        else:
            made = [visit for visit in known if visit.code in codes]
            there = {visit.code for visit in made}
            made += Visit.objects.bulk_create(visit for visit in planned if visit.code not in there)
        other = next((visit for visit in made if visit.anchor_on != anchors.get(visit.anchor)), None)
        if other is not None:
            raise AnchorDiffers(participant=participant.code, anchor=other.anchor_on)
        return sorted(made, key=lambda visit: (visit.target_on, visit.code))


def schedule_after(*, actor: User, visit: Visit, on: dt.date, reason: str = "") -> list[Visit]:
    """Schedule the visits that count from this one; those that stand move, for `reason`, as far as they are open.

    They belong to the same arms as it does, as the loader checks.
    """
    anchor = f"visit:{visit.code}"
    dependents = [one for one in visit.participant.protocol_version.definition.visits if one.anchor == anchor]
    if not dependents:
        return []
    rows = Visit.objects.select_for_update(of=("self",)).filter(
        participant=visit.participant, code__in=[one.code for one in dependents]
    )
    standing = {one.code: one for one in rows.order_by("pk")}
    planned = {one.code: _planned(visit.participant, on, one) for one in dependents}
    _move(actor, standing, planned, reason or _("The visit that it counts from took place on another day."))
    fresh = [one for one in dependents if one.code not in standing]
    return schedule(actor=actor, participant=visit.participant, anchors={anchor: on}, visits=fresh)


def replan(
    *, actor: User, participant: Participant, anchors: Anchors, visits: Sequence[VisitDef], reason: str
) -> list[Visit]:
    """Bring what is open in line with these anchors and definitions: after a corrected anchor, or an amendment.

    `visits` are all that the participant has by the protocol, their arm's included. An open window that differs
    moves: its version rises and the former one is kept. What the protocol no longer has is *not expected*; what it has
    anew is expected, unless its window has closed already. Settled visits never change. Returns what was touched.
    """
    with acting(actor, reason=reason):
        reason = need_reason(reason)
        _require_dates(anchors)
        planned = {
            visit.code: _planned(participant, anchors[visit.anchor], visit)
            for visit in visits
            if visit.anchor in anchors and _comes_after(visit)
        }
        rows = (
            Visit.objects.select_for_update(of=("self",))
            .filter(participant=participant)
            .exclude(kind="unscheduled")
            .order_by("pk")
        )
        standing = {visit.code: visit for visit in rows}
        waiting = {visit.code for visit in visits if visit.anchor not in anchors}
        touched = _move(actor, standing, planned, reason)
        touched += _drop(standing.values(), {*planned, *waiting}, reason)
        today = clock.today(participant.site.timezone)
        fresh = [
            visit for code, visit in planned.items() if code not in standing and visit.closes_on >= today
        ]
        return touched + Visit.objects.bulk_create(fresh)


def bring_back(
    *,
    actor: User,
    participant: Participant,
    anchors: Anchors,
    visits: Sequence[VisitDef],
    stopped_for: str,
    reason: str,
) -> list[Visit]:
    """Those of `visits` that `stop` ended for that reason are expected, or booked, again, counted from `anchors`.

    Whose anchor is not known stays as it is. Returns those that came back.
    """
    planned = {
        visit.code: _planned(participant, anchors[visit.anchor], visit)
        for visit in visits
        if visit.anchor in anchors and _comes_after(visit)
    }
    if not planned:
        return []
    with acting(actor, reason=reason):
        rows = Visit.objects.select_for_update(of=("self",)).filter(
            participant=participant, code__in=planned, state=Visit.State.NOT_EXPECTED, reason=stopped_for
        )
        standing = {visit.code: visit for visit in rows.exclude(kind="unscheduled").order_by("pk")}
        for visit in standing.values():
            state = Visit.State.BOOKED if visit.appointment_at else Visit.State.EXPECTED
            change(visit, state=state, reason="")
        _move(actor, standing, planned, reason)
        return list(standing.values())


def _move(
    actor: User, standing: Mapping[str, Visit], planned: Mapping[str, Visit], reason: str
) -> list[Visit]:
    moved = []
    for code, wanted in planned.items():
        visit = standing.get(code)
        if visit is None or visit.state not in rules.OPEN or window_of(visit) == window_of(wanted):
            continue
        FormerWindow.objects.create(
            visit=visit,
            participant_id=visit.participant_id,
            site_id=visit.site_id,
            version=visit.plan_version,
            **window_of(visit),
            reason=reason,
            moved_by=actor,
            reveals_arm=visit.reveals_arm,
        )
        change(visit, **window_of(wanted), plan_version=visit.plan_version + 1)
        moved.append(visit)
    return moved


def _drop(standing: Iterable[Visit], kept: set[str], reason: str) -> list[Visit]:
    dropped = [visit for visit in standing if visit.code not in kept and visit.state in rules.OPEN]
    for visit in dropped:
        change(visit, state=Visit.State.NOT_EXPECTED, reason=reason)
    return dropped


def _require_dates(anchors: Anchors) -> None:
    """A schedule counts from whole local dates: neither from an instant nor from a partial date."""
    for name, on in anchors.items():
        if not isinstance(on, dt.date) or isinstance(on, dt.datetime):
            raise BadDate(fields={name: [_("A whole date is needed to count from.")]})


def _comes_after(visit: VisitDef) -> bool:
    return visit.offset is not None and visit.offset.count > 0


def _planned(participant: Participant, anchor_on: dt.date, visit: VisitDef) -> Visit:
    if visit.offset is None:
        raise ValueError(f"{visit.code} has no date")
    window = rules.window(anchor_on, visit.offset, visit.before, visit.after)
    return Visit(
        participant=participant,
        site_id=participant.site_id,
        code=visit.code,
        kind=visit.kind,
        anchor=visit.anchor,
        anchor_on=anchor_on,
        target_on=window.target,
        opens_on=window.opens,
        closes_on=window.closes,
        reveals_arm=visit.reveals_arm,
    )
