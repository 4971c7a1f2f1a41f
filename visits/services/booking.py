"""Appointments."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.staff.models import User
from visits import rules
from visits.errors import BadDate, ParticipantLeft
from visits.models import Visit
from visits.services.locking import open_visit


def book(*, actor: User, visit: Visit, at: dt.datetime, reason: str = "") -> Visit:
    """Give a visit an appointment, or another one; reminders of the earlier appointment are cancelled when due."""
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if locked.participant.status in rules.LEFT:
            raise ParticipantLeft(participant=locked.participant.code)
        if at <= clock.now():
            raise BadDate(fields={"at": [_("The appointment must lie in the future.")]})
        if locked.appointment_at == at:
            return locked
        if locked.appointment_at is not None and not reason.strip():
            raise BadDate(fields={"reason": [_("Say why the appointment moves.")]})
        locked.bookings += 1
        locked.state, locked.appointment_at = Visit.State.BOOKED, at
        locked.save(update_fields=["state", "appointment_at", "bookings"])
        return locked
