"""Treatment: the surgery, from which visits count, and the start of local treatment after the randomization."""

from collections.abc import Mapping
from typing import Any

from eligibility import services as eligibility
from trialsite.audit.context import acting
from trialsite.casebook import services as casebook
from trialsite.enrollment import facts, keyfacts, locking, order, schedule, steps, treatment
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


def start_sbrt(
    *, actor: User, participant: Participant, values: Mapping[str, Any], reason: str = ""
) -> casebook.Saved:
    """Record the first fraction of SBRT, which is a visit of the schedule: never before the randomization, and with a
    reason outside its days.

    Given in the other arm, it is a protocol deviation and needs a reason too: on the form, or `reason`.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.START_SBRT)
        order.require_treatment(locked)
        saved = keyfacts.save(actor, locked, "sbrt_start", values)
        why = saved.record.data.get("reason", {}).get("value", "") or reason
        treatment.note_other_arm(actor, locked, saved.record, why)
        schedule.attend(actor, locked, saved.record.event, on=keyfacts.day(saved.record), reason=why)
        return saved
