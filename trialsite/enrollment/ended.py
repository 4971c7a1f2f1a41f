"""Ends of a participation that an envelope finds when it is entered late: taken back for a moment, then set again."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from trialsite.enrollment import facts, keyfacts, steps
from trialsite.participants.models import Participant, Withdrawal
from trialsite.staff.models import User
from visits import services as visits


@dataclass(frozen=True)
class End:
    """By which step somebody left, the last day of taking part, and from when on visits are not expected any more."""

    step: str
    last: dt.date
    after: dt.date


def of(participant: Participant) -> list[End]:
    """Every end that is recorded: completion, withdrawal from visits or use of data, death."""
    found = []
    if participant.status == "completed":
        # Completed are those whose visits are all settled: no day of theirs comes after it.
        found.append(End(steps.COMPLETE.code, dt.date.max, dt.date.min))
    left = Withdrawal.objects.filter(participant=participant).exclude(level=Withdrawal.Level.TREATMENT)
    withdrawn_on = min(left.values_list("on", flat=True), default=None)
    if withdrawn_on:
        found.append(End(steps.WITHDRAW.code, withdrawn_on, withdrawn_on))
    died = facts.driving(participant, "death").first()
    if died:
        first, last = keyfacts.days(participant, died)
        found.append(End(steps.DIE.code, last, first))
    return found


def permits(participant: Participant, ends: Iterable[End], day: dt.date) -> bool:
    """Whether somebody who has left was operated, and still took part on `day`."""
    return facts.is_operated(participant) and all(day <= end.last for end in ends)


def take_back(actor: User, participant: Participant, ends: Iterable[End]) -> None:
    """What was not expected any more is expected, so that the randomization finds its visit."""
    for end in ends:
        visits.resume(actor=actor, participant=participant, stopped_for=end.step)


def set_again(actor: User, participant: Participant, ends: Iterable[End]) -> None:
    """What is open after the ends is not expected, what the randomization added included."""
    for end in ends:
        visits.stop(actor=actor, participant=participant, after=end.after, reason=end.step)
