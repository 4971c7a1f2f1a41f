"""Visits: the only writes."""

import datetime as dt
import json
from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Visit as VisitDef
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.offsets import Offset
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN, VISIT_MANAGE
from trialsite.staff.models import User
from visits import rules
from visits.errors import AnchorDiffers, BadDate, ParticipantLeft, VisitSettled
from visits.models import Visit
from visits.planning import PLAN


def schedule(
    *, actor: User, participant: Participant, anchor: dt.date, visits: Sequence[VisitDef]
) -> list[Visit]:
    """Write the visits that are due after the anchor; a second call with the same anchor changes nothing.

    Milestones up to the anchor itself (screening, baseline, surgery) are past and are not scheduled. Called by
    enrollment, which has asked for the capability of the step. Raises AnchorDiffers for another anchor.
    """
    with acting(actor):
        coming = [visit for visit in visits if visit.offset is not None and visit.offset.count > 0]
        Visit.objects.bulk_create(
            [_planned(participant, anchor, visit) for visit in coming], ignore_conflicts=True
        )
        made = list(Visit.objects.filter(participant=participant, code__in=[visit.code for visit in coming]))
        other = next((visit.anchor_on for visit in made if visit.anchor_on != anchor), None)
        if other is not None:
            raise AnchorDiffers(participant=participant.code, anchor=other)
        return sorted(made, key=lambda visit: (visit.target_on, visit.code))


def book(*, actor: User, visit: Visit, at: dt.datetime, reason: str = "") -> Visit:
    """Give a visit an appointment, or another one; reminders of the earlier appointment are cancelled when due."""
    with acting(actor, reason=reason):
        locked = _open(actor, visit)
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


def attend(*, actor: User, visit: Visit, on: dt.date) -> Visit:
    """Record that the participant came on this local date, in the window or outside it."""
    with acting(actor):
        locked = _open(actor, visit)
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
        locked = _open(actor, visit)
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


def plan_reminders(*, actor: User, now: dt.datetime) -> int:
    """Write every reminder whose moment has come to the outbox, in one statement; returns how many were new."""
    versions = list(ProtocolVersion.objects.defer("document"))
    moments = [
        {
            "rank": rank,
            "protocol_version": version.pk,
            "kind": rule.kind,
            "audience": rule.audience,
            "relative_to": rule.relative_to,
            "offset_days": rule.offset_days,
            "at": rule.at,
            "channel": rule.channel,
        }
        for version in versions
        for rank, rule in enumerate(version.definition.reminders)
    ]
    widest = max(
        (visit.before + visit.after for version in versions for visit in version.definition.visits), default=0
    )
    values: dict[str, str | int | dt.date | list[str]] = {
        "rules": json.dumps(moments),
        "now": now,
        "today": now.astimezone(dt.UTC).date(),
        "widest": widest,
        "left": list(rules.LEFT),
    }
    with acting(actor), connection.cursor() as cursor:
        require(actor, SCHEDULE_PLAN)
        cursor.execute(PLAN, values)
        new: int = cursor.rowcount
        return new


def _planned(participant: Participant, anchor: dt.date, visit: VisitDef) -> Visit:
    window = rules.window(anchor, visit.offset or Offset(0), visit.before, visit.after)
    return Visit(
        participant=participant,
        site_id=participant.site_id,
        code=visit.code,
        kind=visit.kind,
        anchor_on=anchor,
        target_on=window.target,
        opens_on=window.opens,
        closes_on=window.closes,
        reveals_arm=visit.reveals_arm,
    )


def _open(actor: User, visit: Visit) -> Visit:
    require(actor, VISIT_MANAGE, site=visit.site_id)
    locked = (
        Visit.objects.select_for_update(of=("self",)).select_related("site", "participant").get(pk=visit.pk)
    )
    if locked.state not in rules.OPEN:
        raise VisitSettled(visit=locked.code, state=locked.get_state_display())
    return locked
