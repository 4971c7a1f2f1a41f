"""Appointments. Windows never move for them."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.staff.access import has
from trialsite.staff.capabilities import VISIT_VIEW
from trialsite.staff.models import User
from visits import rules
from visits.errors import AppointmentMoved, BadDate, ParticipantLeft, RandomizedByStep
from visits.models import Appointment, Visit
from visits.services.locking import change, is_randomization, need_reason, open_visit


def book(
    *,
    actor: User,
    visit: Visit,
    at: dt.datetime,
    place: str = "",
    staff: User | None = None,
    reason: str = "",
    seen: int | None = None,
) -> Visit:
    """Give a visit an appointment with time, place and person, or another one; the earlier ones stay in the history.

    The same appointment again changes nothing. Moving one needs a reason. `seen` is the count of bookings that the
    caller looked at: whoever comes second is told so by AppointmentMoved. Raises RandomizedByStep, ParticipantLeft,
    BadDate.
    """
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if is_randomization(locked):
            raise RandomizedByStep(visit=locked.code)
        if locked.participant.status in rules.LEFT:
            raise ParticipantLeft(participant=locked.participant.code)
        if at <= clock.now():
            raise BadDate(fields={"at": [_("The appointment must lie in the future.")]})
        if staff is not None and not (staff.is_active and has(staff, VISIT_VIEW, site=locked.site_id)):
            raise BadDate(fields={"staff": [_("This person does not work at this hospital.")]})
        wanted = (at, place.strip(), staff and staff.pk)
        if wanted == (locked.appointment_at, locked.place, locked.staff_id):
            return locked
        _require_unmoved(locked, seen)
        if locked.appointment_at is not None:
            reason = need_reason(reason, _("Say why the appointment moves."))
        change(
            locked,
            state=Visit.State.BOOKED,
            appointment_at=at,
            place=place.strip(),
            staff=staff,
            bookings=locked.bookings + 1,
        )
        if locked.kind == "unscheduled":
            _follow(locked)
        _remember(actor, locked, reason)
        return locked


def cancel(*, actor: User, visit: Visit, reason: str, seen: int | None = None) -> Visit:
    """Take the appointment back: the visit is expected again; an unscheduled one, planned for that day alone, is not.

    Cancelling what has no appointment changes nothing.
    """
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if locked.appointment_at is None:
            return locked
        reason = need_reason(reason)
        _require_unmoved(locked, seen)
        alone = locked.kind == "unscheduled"
        change(
            locked,
            state=Visit.State.NOT_EXPECTED if alone else Visit.State.EXPECTED,
            appointment_at=None,
            place="",
            staff=None,
            bookings=locked.bookings + 1,
            reason=reason if alone else locked.reason,
        )
        _remember(actor, locked, reason)
        return locked


def _require_unmoved(visit: Visit, seen: int | None) -> None:
    if seen is not None and seen != visit.bookings:
        raise AppointmentMoved


def _follow(visit: Visit) -> None:
    """An unscheduled visit has no window of its own: it is due on the day of its appointment."""
    if visit.appointment_at is None:
        raise ValueError("an unscheduled visit follows its appointment")
    on = clock.local_date(visit.appointment_at, visit.site.timezone)
    change(visit, target_on=on, opens_on=on, closes_on=on, plan_version=visit.plan_version + 1)


def _remember(actor: User, visit: Visit, reason: str) -> None:
    Appointment.objects.create(
        visit=visit,
        participant_id=visit.participant_id,
        site_id=visit.site_id,
        number=visit.bookings,
        at=visit.appointment_at,
        place=visit.place,
        staff=visit.staff,
        reason=reason,
        made_by=actor,
        reveals_arm=visit.reveals_arm,
    )
