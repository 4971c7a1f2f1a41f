"""The surgery, from which visits count."""

from collections.abc import Mapping
from typing import Any

from trialsite.audit.context import acting
from trialsite.enrollment import keyfacts, locking, order, steps, surgery
from trialsite.participants.models import Participant
from trialsite.staff.models import User
from visits import services as visits
from visits.models import Visit


def operate(
    *, actor: User, participant: Participant, values: Mapping[str, Any], reason: str = ""
) -> list[Visit]:
    """Record the surgery and schedule every visit that does not depend on the arm, with windows from its date.

    The signed verdict must stand, and must hold as of the actual date too. A surgery that has taken place though a rule
    was not kept is recorded with the `reason`, and as protocol deviations; without it the rule's own error is raised.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.OPERATE, repeat_at="operated")
        if locked.status == "eligible":
            order.require_treatment(locked)
        saved = keyfacts.save(actor, locked, "surgery", values)
        if locked.status == "eligible":
            surgery.note(actor, locked, saved.record, reason)
            locking.move(actor, locked, steps.OPERATE)
        common = [visit for visit in locked.protocol_version.definition.visits if not visit.arms]
        anchors = {"surgery": keyfacts.day(saved.record)}
        return visits.schedule(actor=actor, participant=locked, anchors=anchors, visits=common)
