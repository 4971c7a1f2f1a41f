"""The surgery, from which visits count."""

from collections.abc import Mapping
from typing import Any

from eligibility import services as eligibility
from trialsite.audit.context import acting
from trialsite.enrollment import facts, keyfacts, locking, order, steps
from trialsite.participants.models import Participant
from trialsite.staff.models import User
from visits import services as visits
from visits.models import Visit


def operate(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> list[Visit]:
    """Record the surgery and schedule every visit that does not depend on the arm, with windows from its date.

    The signed verdict must stand, and must hold as of the actual date too.
    """
    with acting(actor):
        locked = locking.lock(actor, participant, steps.OPERATE, repeat_at="operated")
        definition = locked.protocol_version.definition
        saved = keyfacts.save(actor, locked, "surgery", values)
        anchor = keyfacts.day(saved.record)
        order.require_after_consent(locked, anchor)
        order.require_in_order(locked, saved.record.event, anchor)
        if locked.status == "eligible":
            eligibility.require_signed(locked)
            eligibility.require_eligible(facts.judge(locked, anchor))
            locking.move(actor, locked, steps.OPERATE)
        common = [visit for visit in definition.visits if not visit.arms]
        return visits.schedule(actor=actor, participant=locked, anchors={"surgery": anchor}, visits=common)
