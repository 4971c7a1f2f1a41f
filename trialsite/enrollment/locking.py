"""How every step begins and ends: the participant locked and read again, the status moved."""

from trialsite.casebook import standing
from trialsite.enrollment.errors import StepRefused
from trialsite.enrollment.steps import Step
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.staff.access import forget, require
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User


def lock(actor: User, participant: Participant, step: Step, *, repeat_at: str | None = None) -> Participant:
    """The participant under lock, after asking whether `actor` may take `step` there and whether it is its turn.

    `repeat_at` is the status in which the step may come again with the same content. Raises StepRefused, and Locked
    under a freeze or lock over the participant or everything.
    """
    locked = Participant.objects.lock(participant.pk)
    # A role may have ended while this waited for the lock.
    forget(actor)
    require(actor, step.capability, site=locked.site_id)
    if step.tells_arm:
        require(actor, ARM_SEE, site=locked.site_id)
    if not step.possible_from(locked.status) and locked.status != repeat_at:
        raise refused(locked, step)
    if locked.status != repeat_at:
        standing.require_open(locked)
    return locked


def refused(participant: Participant, step: Step) -> StepRefused:
    """The error that says why `step` is not possible now."""
    return StepRefused(participant=participant.code, status=participant.get_status_display(), step=step.label)


def move(actor: User, participant: Participant, step: Step, *, reason: str = "") -> Participant:
    """Give the participant the status to which `step` leads, where it leads to another."""
    if step.to is None or participant.status == step.to:
        return participant
    return participants.move(actor=actor, participant=participant, to=step.to, reason=reason)
