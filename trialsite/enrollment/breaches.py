"""A criterion that turns out not to have been satisfied after surgery: it is recorded as a deviation, never waived."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from eligibility import services as eligibility
from eligibility.rules import Finding, Verdict
from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings
from trialsite.casebook.models import Record
from trialsite.enrollment import facts, keyfacts
from trialsite.enrollment.errors import NoBreach
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Criterion, Definition
from trialsite.staff.access import require
from trialsite.staff.capabilities import RECORD_EDIT
from trialsite.staff.models import User

CATEGORY: Final = "eligibility"
AFTER_SURGERY: Final = ("operated", "randomized", "completed", "withdrawn", "dead")


@dataclass(frozen=True)
class Breach:
    """A criterion that keeps out, or is unknown now, of someone who was let in on `on`."""

    criterion: Criterion
    finding: Finding
    on: dt.date


def record(*, actor: User, participant: Participant, criterion: str, why: str, action: str = "") -> Record:
    """Record that `criterion` was not satisfied though the participant was operated, with the reason.

    The same breach again gives the record that stands. Raises NoBreach where the values do not show one.
    """
    with acting(actor, reason=why):
        locked = Participant.objects.lock(participant.pk)
        require(actor, RECORD_EDIT, site=locked.site_id)
        breach = breached(locked).get(criterion)
        if breach is None:
            raise NoBreach(criterion=criterion, participant=locked.code)
        standing = recorded(locked).get(criterion)
        if standing:
            return standing
        return deviations.record(
            actor=actor,
            participant=locked,
            category=CATEGORY,
            on=breach.on,
            what=findings.what("criterion", criterion=criterion, title=breach.criterion.title),
            why=why,
            subject=criterion,
            action=action,
        )


def breached(participant: Participant) -> dict[str, Breach]:
    """The criteria that are not satisfied, or unknown, by what is recorded now; nothing before surgery.

    They are those of the version under which eligibility had been signed: of the surgery, and where a randomization
    followed, what was asked again before it. Who was not randomized because of an answer was let in nowhere.
    """
    operated = facts.driving(participant, "surgery").select_related("protocol_version").first()
    if participant.status not in AFTER_SURGERY or operated is None:
        return {}
    on = keyfacts.day(operated)
    signed = eligibility.stood_at_surgery(participant, on=on, recorded_at=operated.created_at)
    definition = (signed or operated).protocol_version.definition
    found = _broken(definition, facts.judge(participant, on, definition), on)
    randomized_on = facts.randomized_on(participant)
    if randomized_on:
        signed = eligibility.signed_by(participant, randomized_on)
        definition = signed.protocol_version.definition if signed else definition
        if definition.parts.asked_again:
            again = facts.judge_again(participant, on, definition)
            found |= _broken(definition, again, randomized_on)
    return found


def _broken(definition: Definition, verdict: Verdict, on: dt.date) -> dict[str, Breach]:
    criteria = {one.id: one for one in definition.criteria}
    return {
        one.id: Breach(criteria[one.id], one, on) for one in verdict.findings if one.satisfied is not True
    }


def recorded(participant: Participant) -> dict[str, Record]:
    """The deviations of eligibility that stand, by criterion."""
    place = participant.protocol_version.definition.parts.playing(deviations.ROLE)
    rows = Record.objects.filter(participant=participant, form=place.form, event=place.event)
    return {
        row.data["dvsubject"]["value"]: row
        for row in rows
        if row.data.get("dvcat", {}).get("value") == CATEGORY and "dvsubject" in row.data
    }
