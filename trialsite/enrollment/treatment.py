"""The end of local treatment: all that was planned was given, or it ended before. Visits may count from it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import deviations
from trialsite.casebook.models import Record
from trialsite.core.errors import Invalid
from trialsite.enrollment import facts, keyfacts, locking, schedule, steps
from trialsite.enrollment.errors import TreatmentNotStarted
from trialsite.participants.models import Participant
from trialsite.protocol.parts import LocalTreatment
from trialsite.staff.models import User
from visits import services as visits
from visits.errors import TooEarly
from visits.models import Visit

CATEGORY: Final = "treatment"
ANCHOR: Final = "end_of_local_treatment"
# The item of a fraction that says which one it is.
NUMBER: Final = "number"


def end(
    *,
    actor: User,
    participant: Participant,
    values: Mapping[str, Any],
    expected_version: int | None = None,
    reason: str = "",
) -> list[Visit]:
    """Record the last fraction and schedule the visits that count from it; returns those.

    A correction names the version that it corrects and the reason, and moves the visits that are open.

    The date is that of the last fraction on record; a treatment that was completed has as many as the plan. One that
    ended before, or took longer than the protocol gives it, is a protocol deviation and needs the reason on the form.
    Raises TreatmentNotStarted, NotInProtocol, StepRefused, Invalid, VersionConflict, ReasonNeeded, ValuesRefused.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.END_SBRT)
        started = facts.driving(locked, "sbrt_start").first()
        if started is None:
            raise TreatmentNotStarted(participant=locked.code)
        saved = keyfacts.save(
            actor, locked, "treatment_end", values, expected_version=expected_version, reason=reason
        )
        planned = locked.protocol_version.definition.parts.treatment
        if planned is not None:
            _require_true(locked, planned, started, saved.record)
            _note_deviations(actor, locked, planned, started, saved.record)
        if expected_version:
            return schedule.replan(actor=actor, participant=locked, reason=reason)
        if _dated_otherwise(locked, keyfacts.day(saved.record)):
            return schedule.replan(
                actor=actor, participant=locked, reason=_("The end of local treatment was recorded.")
            )
        waiting = [one for one in schedule.visits_of(actor, locked) if one.anchor == ANCHOR]
        return visits.schedule(
            actor=actor, participant=locked, anchors={ANCHOR: keyfacts.day(saved.record)}, visits=waiting
        )


def _dated_otherwise(participant: Participant, on: dt.date) -> bool:
    """Whether visits count from another end already: of the surgery, where no local treatment was to be expected."""
    return Visit.objects.filter(participant=participant, anchor=ANCHOR).exclude(anchor_on=on).exists()


def note_other_arm(actor: User, participant: Participant, started: Record, why: str) -> None:
    """Record the deviation where the treatment that has begun is not of the participant's own arm.

    Raises TooEarly before the randomization, Invalid without a reason.
    """
    if started.event in {visit.code for visit in schedule.visits_of(actor, participant)}:
        return
    code = participant.protocol_version.definition.parts.randomization.code
    randomized = Visit.objects.filter(participant=participant, code=code).first()
    if randomized and randomized.attended_on and keyfacts.day(started) < randomized.attended_on:
        raise TooEarly(visit=started.event, earlier=code)
    what = _("{visit} began on {day} in the arm that does not have it.").format(
        visit=started.event, day=keyfacts.day(started)
    )
    if not why.strip():
        raise Invalid(fields={"reason": [_("Say why."), what]})
    deviations.record(
        actor=actor,
        participant=participant,
        category=CATEGORY,
        on=keyfacts.day(started),
        what=what,
        why=why.strip(),
        subject=started.event,
        reveals_arm=True,
    )


def _require_true(participant: Participant, planned: LocalTreatment, started: Record, ended: Record) -> None:
    """The fractions on record say the same as the form, and as the start."""
    fractions = list(
        Record.objects.filter(
            participant=participant, event=started.event, form=planned.fraction, state="complete"
        )
        .order_by("observed_on")
        .values_list("observed_on", f"data__{NUMBER}__value")
    )
    given = [day for day, _number in fractions]
    numbers = [number for _day_of, number in fractions if number is not None]
    form = participant.protocol_version.definition.form(ended.form)
    last = given[-1] if given else None
    if last != ended.observed_on:
        sentence = (
            _("The last fraction on record is of {day}.").format(day=last)
            if last
            else _("No fraction is on record.")
        )
        raise Invalid(fields={form.observed_item or "": [sentence]})
    if given[0] != started.observed_on:
        sentence = _("The first fraction on record is of {day}, the start of {start}.").format(
            day=given[0], start=started.observed_on
        )
        raise Invalid(fields={form.observed_item or "": [sentence]})
    if twice := sorted({one for one in numbers if numbers.count(one) > 1}):
        sentence = _("Fraction {number} is on record more than once.").format(number=twice[0])
        raise Invalid(fields={form.observed_item or "": [sentence]})
    number = planned_fractions(planned, started)
    if _completed(ended) and len(given) != number:
        sentence = _("{given} of {planned} planned fractions are on record.").format(
            given=len(given), planned=number
        )
        raise Invalid(fields={"completed": [sentence]})


def planned_fractions(planned: LocalTreatment, started: Record) -> int:
    """How many fractions the plan has, as it was recorded with the first. Raises Invalid where that does not say it."""
    value = started.data.get(planned.item, {}).get("value")
    if value is None:
        raise Invalid(fields={planned.item: [_("The start of treatment does not say how many are planned.")]})
    return int(value)


def _note_deviations(
    actor: User, participant: Participant, planned: LocalTreatment, started: Record, ended: Record
) -> None:
    took = (keyfacts.day(ended) - keyfacts.day(started)).days
    most = int(participant.protocol_version.definition.settings[planned.days])
    found = []
    if not _completed(ended):
        found.append(
            _("Treatment ended on {day} before all planned fractions were given.").format(
                day=keyfacts.day(ended)
            )
        )
    if took > most:
        found.append(
            _("The last fraction was given {took} days after the first; the protocol gives {most}.").format(
                took=took, most=most
            )
        )
    why = str(ended.data.get("reason", {}).get("value", "")).strip()
    if found and not why:
        raise Invalid(fields={"reason": [_("Say why."), *found]})
    for what in found:
        deviations.record(
            actor=actor,
            participant=participant,
            category=CATEGORY,
            on=keyfacts.day(ended),
            what=what,
            why=why,
            subject=ended.event,
            reveals_arm=True,
        )


def _completed(ended: Record) -> bool:
    return bool(ended.data["completed"]["value"])
