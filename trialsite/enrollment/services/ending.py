"""How a participant leaves: as planned, by withdrawal, by death."""

from collections.abc import Mapping
from typing import Any

from trialsite.audit.context import acting
from trialsite.enrollment import facts, keyfacts, locking, schedule, steps
from trialsite.enrollment.errors import VisitsOpen
from trialsite.participants import services as participants
from trialsite.participants.models import Participant, Withdrawal
from trialsite.staff.models import User
from visits import services as visits
from visits.models import Visit


def complete(*, actor: User, participant: Participant) -> Participant:
    """Every visit is settled: the participant has *completed* the trial. Raises VisitsOpen, naming the others."""
    with acting(actor):
        locked = locking.lock(actor, participant, steps.COMPLETE, repeat_at="completed")
        left = (
            Visit.objects.open()
            .filter(participant=locked)
            .order_by("target_on")
            .values_list("code", flat=True)
        ) or schedule.undated(actor, locked)
        if left:
            raise VisitsOpen(visits=", ".join(left))
        return locking.move(actor, locked, steps.COMPLETE)


def withdraw(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> Participant:
    """Record what a participant withdraws from: treatment, visits or use of data, one after another.

    From treatment: follow-up goes on; treatment after the randomization can no longer begin, and its start is not
    expected any more. From visits: later visits become *not expected*, and the status *withdrawn*. From use of data:
    that too, and nothing more is captured; it is the only one after a screen failure.
    """
    treatment = _level(values) == Withdrawal.Level.TREATMENT
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        further = treatment or locked.status in ("completed", "screen_failed", "withdrawn")
        locked = locking.lock(actor, locked, steps.WITHDRAW_FURTHER if further else steps.WITHDRAW)
        # There are no visits and no treatment from which to withdraw.
        if locked.status == "screen_failed" and _level(values) in ("treatment", "visits"):
            raise locking.refused(locked, steps.WITHDRAW)
        saved = keyfacts.save(actor, locked, "withdrawal", values, repeat=_withdrawal_number(locked, values))
        level, on = str(saved.record.data["level"]["value"]), keyfacts.day(saved.record)
        participants.record_withdrawal(actor=actor, participant=locked, level=level, on=on)
        visits.stop(
            actor=actor,
            participant=locked,
            after=on,
            reason=steps.WITHDRAW.code,
            codes=_starting_treatment(locked) if treatment else None,
        )
        return locked if further else locking.move(actor, locked, steps.WITHDRAW)


def _starting_treatment(participant: Participant) -> list[str]:
    """The visits at which treatment after the randomization starts."""
    definition = participant.protocol_version.definition
    starts = {form.code for form in definition.forms if form.drives == "treatment_start"}
    return [visit.code for visit in definition.visits if starts & set(visit.forms)]


def _withdrawal_number(participant: Participant, values: Mapping[str, Any]) -> int:
    """The record of the withdrawal from this level, where one stands; else the next."""
    records = facts.driving(participant, "withdrawal")
    numbers = {record.data["level"]["value"]: record.repeat for record in records}
    return numbers.get(_level(values), len(numbers) + 1)


def _level(values: Mapping[str, Any]) -> str:
    """The level as entered, plainly or as an object; empty where it is no text: the form then refuses it."""
    entry = values.get("level")
    if isinstance(entry, Mapping):
        entry = entry.get("value")
    return entry if isinstance(entry, str) else ""


def record_death(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> Participant:
    """Record a death; later visits become *not expected*, never *missed*.

    Where its day is not known, they are those after the first day that is possible.
    """
    with acting(actor):
        locked = locking.lock(actor, participant, steps.DIE, repeat_at="dead")
        saved = keyfacts.save(actor, locked, "death", values)
        first, _last = keyfacts.days(locked, saved.record)
        visits.stop(actor=actor, participant=locked, after=first, reason=steps.DIE.code)
        return locking.move(actor, locked, steps.DIE)
