"""The schedule: windows from their anchors."""

import datetime as dt
from collections.abc import Sequence

from trialsite.audit.context import acting
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Visit as VisitDef
from trialsite.protocol.offsets import Offset
from trialsite.staff.models import User
from visits import rules
from visits.errors import AnchorDiffers
from visits.models import Visit


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
