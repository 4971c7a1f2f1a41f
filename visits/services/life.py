"""What becomes of a visit."""

import datetime as dt

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.staff.models import User
from visits import rules
from visits.errors import BadDate
from visits.models import Visit
from visits.services.locking import open_visit


def attend(*, actor: User, visit: Visit, on: dt.date) -> Visit:
    """Record that the participant came on this local date, in the window or outside it."""
    with acting(actor):
        locked = open_visit(actor, visit)
        if on > clock.today(locked.site.timezone):
            raise BadDate(fields={"on": [_("The date lies in the future.")]})
        if on < locked.anchor_on:
            raise BadDate(fields={"on": [_("The date lies before the anchor of the schedule.")]})
        window = rules.Window(locked.target_on, locked.opens_on, locked.closes_on)
        locked.state, locked.attended_on, locked.in_window = Visit.State.ATTENDED, on, window.holds(on)
        locked.save(update_fields=["state", "attended_on", "in_window"])
        return locked


def miss(*, actor: User, visit: Visit, reason: str) -> Visit:
    """Record that the visit did not take place, and why; possible once its window has opened."""
    with acting(actor, reason=reason):
        locked = open_visit(actor, visit)
        if not reason.strip():
            raise BadDate(fields={"reason": [_("A reason is needed.")]})
        if clock.today(locked.site.timezone) < locked.opens_on:
            raise BadDate(fields={"visit": [_("The window has not opened yet.")]})
        locked.state = Visit.State.MISSED
        locked.save(update_fields=["state"])
        return locked


def stop(*, actor: User, participant: Participant, after: dt.date, reason: str) -> int:
    """Later visits are *not expected* any more (death, withdrawal); returns how many."""
    with acting(actor, reason=reason):
        return (
            Visit.objects.filter(participant=participant, closes_on__gte=after)
            .open()
            .update(state=Visit.State.NOT_EXPECTED)
        )
