"""What becomes of a visit."""

import datetime as dt
from collections.abc import Collection

from django.db.models import Max
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings, standing
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition
from trialsite.staff.access import require
from trialsite.staff.capabilities import VISIT_MANAGE
from trialsite.staff.models import User
from visits import rules
from visits.errors import BadDate, CorrectedByForm, ParticipantLeft, RandomizedByStep, TooEarly, VisitSettled
from visits.models import Visit
from visits.services import booking
from visits.services.locking import any_visit, change, is_randomization, need_reason, open_visit
from visits.services.schedule import schedule_after


def attend(*, actor: User, visit: Visit, on: dt.date, reason: str = "", allocated: bool = False) -> Visit:
    """Record that the participant came on this local date.

    Outside the window it is a protocol deviation: it needs a reason and is recorded as one. So is a visit that took
    place before what it should follow; before what it *must* follow it is refused with TooEarly. Visits that count from
    this one are scheduled.

    The visit of the randomization is attended by whoever has just `allocated` an arm; else RandomizedByStep.
    """
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if not allocated and is_randomization(locked):
            raise RandomizedByStep(visit=locked.code)
        standing.require_use(locked.participant, on=on)
        return _attended(actor, locked, on, reason)


def attend_planned(
    *,
    actor: User,
    participant: Participant,
    code: str,
    on: dt.date,
    reason: str = "",
    allocated: bool = False,
    known: Collection[Visit] | None = None,
) -> Visit | None:
    """Attend the open visit `code` of a participant whom the caller holds under lock, if there is one.

    For steps of the path that are visits themselves; `allocated` and errors as for `attend`. Who has just allocated has
    asked for freezes and locks before an entry was opened. `known` are the planned visits, where the caller has read
    them under that lock.
    """
    with acting(actor, reason=reason):
        require(actor, VISIT_MANAGE, site=participant.site_id)
        rows = (
            Visit.objects.select_for_update(of=("self",)).filter(participant=participant, code=code)
            if known is None
            else known
        )
        locked = next((one for one in rows if one.code == code and one.state in rules.OPEN), None)
        if locked is None:
            return None
        locked.participant, locked.site = participant, participant.site
        if not allocated and is_randomization(locked):
            raise RandomizedByStep(visit=code)
        return _attended(actor, locked, on, reason, unlocked=allocated, known=known)


def _attended(
    actor: User,
    locked: Visit,
    on: dt.date,
    reason: str,
    *,
    unlocked: bool = False,
    known: Collection[Visit] | None = None,
) -> Visit:
    _take_place(actor, locked, on, reason, unlocked=unlocked, known=known)
    schedule_after(actor=actor, visit=locked, on=on)
    return locked


def redate(*, actor: User, visit: Visit, on: dt.date, reason: str) -> Visit:
    """An attended visit took place `on` another day than was recorded: it is judged anew, as by `attend`.

    Called by the step that corrects the date, which moves what counts from it. The same day changes nothing.
    """
    with acting(actor, reason=reason):
        locked = any_visit(actor, visit)
        if locked.attended_on is None:
            raise VisitSettled(visit=locked.code, state=locked.get_state_display())
        if locked.attended_on != on:
            _take_place(actor, locked, on, need_reason(reason))
        return locked


def _take_place(
    actor: User,
    visit: Visit,
    on: dt.date,
    reason: str,
    *,
    unlocked: bool = False,
    known: Collection[Visit] | None = None,
) -> None:
    if not unlocked:
        standing.require_open(visit.participant, event=visit.code)
    _require_possible(visit, on, known)
    outside = visit.kind != "unscheduled" and not visit.window.holds(on)
    if outside:
        reason = need_reason(reason, _("Say why it lies outside its window."))
    change(
        visit,
        state=Visit.State.ATTENDED,
        attended_on=on,
        in_window=None if visit.kind == "unscheduled" else not outside,
        reason=visit.reason if visit.kind == "unscheduled" else reason.strip(),
    )
    if outside:
        _deviates(
            actor,
            visit,
            findings.what(
                "outside_window",
                visit=_definition(visit).visit(visit.code).name,
                on=on,
                opens=visit.opens_on,
                closes=visit.closes_on,
            ),
            reason.strip(),
            reveals_arm=visit.reveals_arm,
        )
    _note_order(actor, visit, known)


def correct(*, actor: User, visit: Visit, reason: str, on: dt.date | None = None) -> Visit:
    """What was recorded of a settled visit was wrong: it took place `on` this date, or has not taken place (None).

    It is judged anew, as by `attend`; what counts from it moves as far as it is open. Without a date it is expected
    again, booked where its appointment stands; an unscheduled one is not. A deviation that was recorded stays, and is
    mended on its form. Raises VisitSettled for one that is open or not expected, RandomizedByStep or CorrectedByForm
    for one whose date belongs to a step.
    """
    with acting(actor, reason=reason):
        locked = any_visit(actor, visit)
        if locked.code not in {one.code for one in _definition(locked).visits}:
            raise VisitSettled(visit=locked.code, state=locked.get_state_display())
        _require_own_date(locked)
        reason = need_reason(reason)
        if locked.state not in (Visit.State.ATTENDED, Visit.State.MISSED):
            raise VisitSettled(visit=locked.code, state=locked.get_state_display())
        if on is None:
            return _undo(locked, reason)
        standing.require_use(locked.participant, on=on)
        _take_place(actor, locked, on, reason)
        schedule_after(actor=actor, visit=locked, on=on, reason=reason)
        return locked


def _require_own_date(visit: Visit) -> None:
    if is_randomization(visit):
        raise RandomizedByStep(visit=visit.code)
    definition = _definition(visit)
    if any(definition.form(form).drives for form in definition.visit(visit.code).forms):
        raise CorrectedByForm(visit=visit.code)


def _undo(visit: Visit, reason: str) -> Visit:
    """Back among what is expected. Of who has left or completed nothing is: there the true date is needed."""
    if visit.participant.status in (*rules.LEFT, "completed"):
        raise BadDate(fields={"on": [_("Nothing is expected of this participant any more: give the date.")]})
    standing.require_open(visit.participant, event=visit.code)
    if visit.kind == "unscheduled":
        state, why = Visit.State.NOT_EXPECTED, reason
    else:
        state, why = Visit.State.BOOKED if visit.appointment_at else Visit.State.EXPECTED, ""
    change(visit, state=state, attended_on=None, in_window=None, reason=why)
    return visit


def miss(*, actor: User, visit: Visit, reason: str, forgone: bool = False) -> Visit:
    """Record that the visit did not take place, and why; possible once its window has opened.

    Visits that count from this one are scheduled from its target. The visit of the randomization is missed by the step
    that records it as `forgone`; else RandomizedByStep.
    """
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if not forgone and is_randomization(locked):
            raise RandomizedByStep(visit=locked.code)
        reason = need_reason(reason)
        if clock.today(locked.site.timezone) < locked.opens_on:
            raise BadDate(fields={"visit": [_("The window has not opened yet.")]})
        standing.require_open(locked.participant, event=locked.code)
        change(locked, state=Visit.State.MISSED, reason=reason)
        schedule_after(actor=actor, visit=locked, on=locked.target_on)
        return locked


def unscheduled(
    *,
    actor: User,
    participant: Participant,
    reason: str,
    on: dt.date | None = None,
    at: dt.datetime | None = None,
    place: str = "",
    staff: User | None = None,
) -> Visit:
    """A visit outside the schedule: it took place `on` a date, or has an appointment `at` an instant.

    It never fills a planned visit: that one stays as it is. Raises BadDate unless exactly one of the two is given,
    UseOfDataWithdrawn.
    """
    with acting(actor, reason=reason):
        require(actor, VISIT_MANAGE, site=participant.site_id)
        locked = Participant.objects.lock(participant.pk)
        standing.require_use(locked)
        reason = need_reason(reason)
        if (on is None) == (at is None):
            raise BadDate(fields={"on": [_("Give the date of the visit, or an appointment to come.")]})
        if locked.status in rules.LEFT and at is not None:
            raise ParticipantLeft(participant=locked.code)
        day = on or clock.local_date(at or clock.now(), locked.site.timezone)
        code = locked.protocol_version.definition.parts.unscheduled.code
        rows = Visit.objects.filter(participant=locked)
        anchor_on = rows.filter(anchor="surgery").values_list("anchor_on", flat=True).first()
        last = rows.filter(code=code).aggregate(last=Max("repeat"))["last"] or 0
        made = Visit.objects.create(
            participant=locked,
            site_id=locked.site_id,
            code=code,
            repeat=last + 1,
            kind="unscheduled",
            anchor_on=anchor_on if anchor_on and anchor_on <= day else None,
            target_on=day,
            opens_on=day,
            closes_on=day,
            reason=reason,
        )
        if at is not None:
            return booking.book(actor=actor, visit=made, at=at, place=place, staff=staff)
        return attend(actor=actor, visit=made, on=day)


def stop(
    *,
    actor: User,
    participant: Participant,
    after: dt.date,
    reason: str,
    codes: Collection[str] | None = None,
) -> int:
    """Later visits (of `codes`, or all) are *not expected* any more (death, withdrawal); returns how many."""
    with acting(actor, reason=reason):
        rows = Visit.objects.open().filter(participant=participant, closes_on__gte=after)
        if codes is not None:
            rows = rows.filter(code__in=codes)
        return rows.update(state=Visit.State.NOT_EXPECTED, reason=reason)


def resume(*, actor: User, participant: Participant, stopped_for: str, before: dt.date | None = None) -> int:
    """Visits that `stop` ended for that reason are expected, or booked, again; returns how many.

    With `before` those that closed before that day: what ended them happened later than was recorded.
    """
    with acting(actor):
        stopped = Visit.objects.filter(
            participant=participant, state=Visit.State.NOT_EXPECTED, reason=stopped_for
        ).exclude(kind="unscheduled")
        if before is not None:
            stopped = stopped.filter(closes_on__lt=before)
        booked = stopped.filter(appointment_at__isnull=False).update(state=Visit.State.BOOKED, reason="")
        return booked + stopped.update(state=Visit.State.EXPECTED, reason="")


def reopen(*, actor: User, visit: Visit, reason: str) -> Visit:
    """A missed visit is expected again: it can take place after all, or did. Called by the step that knows so."""
    with acting(actor, reason=reason):
        locked = any_visit(actor, visit)
        if locked.state != Visit.State.MISSED:
            raise VisitSettled(visit=locked.code, state=locked.get_state_display())
        standing.require_open(locked.participant, event=locked.code)
        change(locked, state=Visit.State.EXPECTED, reason="")
        return locked


def _require_possible(visit: Visit, on: dt.date, known: Collection[Visit] | None) -> None:
    if on > clock.today(visit.site.timezone):
        raise BadDate(fields={"on": [_("The date lies in the future.")]})
    if visit.anchor_on is not None and on < visit.anchor_on:
        raise BadDate(fields={"on": [_("The date lies before the anchor of the schedule.")]})
    follows = _definition(visit).visit(visit.code).must_follow
    if not follows:
        return
    happened = _happened(visit, known)
    for breach in rules.breaches(
        visit.code, on, [code for code in follows if code in happened], _dates(happened)
    ):
        raise TooEarly(visit=breach.visit, earlier=breach.earlier)


def _definition(visit: Visit) -> Definition:
    return visit.participant.protocol_version.definition


def _happened(visit: Visit, known: Collection[Visit] | None) -> dict[str, dt.date | None]:
    """The planned visits of the participant, with the date on which each took place."""
    if known is not None:
        return {one.code: one.attended_on for one in known}
    rows = Visit.objects.filter(participant_id=visit.participant_id).exclude(kind="unscheduled")
    return dict(rows.values_list("code", "attended_on"))


def _dates(happened: dict[str, dt.date | None]) -> dict[str, dt.date]:
    return {code: on for code, on in happened.items() if on is not None}


def _note_order(actor: User, visit: Visit, known: Collection[Visit] | None) -> None:
    """A visit before one that it should follow is a deviation, whichever of the two is recorded last."""
    planned_visits = _definition(visit).visits
    if not any(one.should_follow for one in planned_visits if visit.code in (one.code, *one.should_follow)):
        return
    dates = _dates(_happened(visit, known))
    for planned in planned_visits:
        follows = [code for code in planned.should_follow if code in dates]
        if planned.code not in dates or (planned.code != visit.code and visit.code not in follows):
            continue
        for breach in rules.breaches(planned.code, dates[planned.code], follows, dates):
            _deviates(
                actor,
                visit,
                findings.what(
                    "before_earlier",
                    visit=_definition(visit).visit(breach.visit).name,
                    on=breach.on,
                    earlier=_definition(visit).visit(breach.earlier).name,
                    earlier_on=breach.earlier_on,
                ),
                visit.reason or _("not given"),
                reveals_arm=visit.reveals_arm or planned.reveals_arm,
            )


def _deviates(actor: User, visit: Visit, what: findings.What, why: str, *, reveals_arm: bool) -> None:
    deviations.record(
        actor=actor,
        participant=visit.participant,
        category="visit_window",
        on=visit.attended_on or visit.target_on,
        what=what,
        why=why,
        subject=visit.code,
        reveals_arm=reveals_arm,
    )
