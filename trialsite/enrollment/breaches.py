"""A criterion that turns out not to have been satisfied after surgery: it is recorded as a deviation, never waived."""

from typing import Final

from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings
from trialsite.casebook.models import Record
from trialsite.enrollment import facts
from trialsite.enrollment.errors import NoBreach
from trialsite.participants.models import Participant
from trialsite.staff.access import require
from trialsite.staff.capabilities import RECORD_EDIT
from trialsite.staff.models import User

CATEGORY: Final = "eligibility"
AFTER_SURGERY: Final = ("operated", "randomized", "completed", "withdrawn", "dead")


def record(*, actor: User, participant: Participant, criterion: str, why: str, action: str = "") -> Record:
    """Record that `criterion` was not satisfied though the participant was operated, with the reason.

    The same breach again gives the record that stands. Raises NoBreach where the values do not show one.
    """
    with acting(actor, reason=why):
        locked = Participant.objects.lock(participant.pk)
        require(actor, RECORD_EDIT, site=locked.site_id)
        if criterion not in breached(locked):
            raise NoBreach(criterion=criterion, participant=locked.code)
        standing = recorded(locked).get(criterion)
        if standing:
            return standing
        definition = locked.protocol_version.definition
        title = next(one.title for one in definition.criteria if one.id == criterion)
        return deviations.record(
            actor=actor,
            participant=locked,
            category=CATEGORY,
            on=facts.surgery_on(locked),
            what=findings.what("criterion", criterion=criterion, title=title),
            why=why,
            subject=criterion,
            action=action,
        )


def breached(participant: Participant) -> list[str]:
    """The criteria that keep an operated participant out, by what is recorded now; nothing before surgery."""
    if participant.status not in AFTER_SURGERY or not facts.is_operated(participant):
        return []
    t0 = facts.surgery_on(participant)
    verdicts = (facts.judge(participant, t0), facts.recheck(participant, t0))
    return [name for verdict in verdicts if verdict for name in verdict.failing()]


def recorded(participant: Participant) -> dict[str, Record]:
    """The deviations of eligibility that stand, by criterion."""
    place = participant.protocol_version.definition.parts.playing(deviations.ROLE)
    rows = Record.objects.filter(participant=participant, form=place.form, event=place.event)
    return {
        row.data["dvsubject"]["value"]: row
        for row in rows
        if row.data.get("dvcat", {}).get("value") == CATEGORY and "dvsubject" in row.data
    }
