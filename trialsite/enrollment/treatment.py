"""Local treatment after the randomization: its start and its end, and corrections of both. Visits may count from it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings
from trialsite.casebook import services as casebook
from trialsite.casebook.models import Record
from trialsite.core.errors import Invalid
from trialsite.enrollment import facts, keyfacts, locking, order, schedule, steps
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


def start(
    *, actor: User, participant: Participant, values: Mapping[str, Any], reason: str = ""
) -> casebook.Saved:
    """Record the first fraction, which is a visit of the schedule: never before the randomization, and with a
    reason outside its days.

    Given in the other arm, it is a protocol deviation and needs a reason too: on the form, or `reason`.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.START_TREATMENT)
        order.require_treatment(locked)
        saved = keyfacts.save(actor, locked, "treatment_start", values)
        why = _why(saved.record) or reason
        _note_other_arm(actor, locked, saved.record, why)
        schedule.attend(actor, locked, saved.record.event, on=keyfacts.day(saved.record), reason=why)
        return saved


def correct_start(
    *, actor: User, participant: Participant, values: Mapping[str, Any], expected_version: int, reason: str
) -> list[Visit]:
    """Correct what was recorded of the first fraction; its visit, and what counts from that, get the true date.

    Where fractions are on record the date is that of the first. Outside its days, in the other arm, or too long before
    the last fraction it is a protocol deviation. Returns the visits that moved. Raises TreatmentNotStarted, TooEarly,
    Invalid, VersionConflict, ReasonNeeded, ValuesRefused.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.CORRECT_START)
        _started(locked)
        started = keyfacts.save(
            actor, locked, "treatment_start", values, expected_version=expected_version, reason=reason
        ).record
        _note_other_arm(actor, locked, started, reason)
        began = Visit.objects.filter(participant=locked, code=started.event, state="attended").first()
        if began:
            visits.redate(actor=actor, visit=began, on=keyfacts.day(started), reason=reason)
        planned = locked.protocol_version.definition.parts.treatment
        ended = facts.driving(locked, "treatment_end").first()
        if planned is not None:
            _require_first(locked, planned, started, started)
            if ended is not None:
                _require_true(locked, planned, started, ended)
                _note_deviations(actor, locked, planned, started, ended, reason)
        return schedule.replan(actor=actor, participant=locked, reason=reason)


def end(*, actor: User, participant: Participant, values: Mapping[str, Any], reason: str = "") -> list[Visit]:
    """Record the last fraction and schedule the visits that count from it; returns those.

    The date is that of the last fraction on record; a treatment that was completed has as many as the plan. One that
    ended before, or took longer than the protocol gives it, is a protocol deviation and needs the reason on the form.
    Raises TreatmentNotStarted, NotInProtocol, StepRefused, Invalid, VersionConflict, ReasonNeeded, ValuesRefused.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.END_TREATMENT)
        on = keyfacts.day(_end(actor, locked, values))
        told = _("The end of local treatment was recorded.")
        schedule.date_what_waits(actor, locked, {ANCHOR: on}, told)
        if _dated_otherwise(locked, on):
            return schedule.replan(actor=actor, participant=locked, reason=told)
        waiting = [one for one in schedule.visits_of(actor, locked) if one.anchor == ANCHOR]
        return visits.schedule(actor=actor, participant=locked, anchors={ANCHOR: on}, visits=waiting)


def correct_end(
    *, actor: User, participant: Participant, values: Mapping[str, Any], expected_version: int, reason: str
) -> list[Visit]:
    """Correct what was recorded of the last fraction, as `end` asks for it; visits that are open move with its date.

    Returns the visits that moved.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.CORRECT_END)
        _end(actor, locked, values, expected_version, reason)
        return schedule.replan(actor=actor, participant=locked, reason=reason)


def _end(
    actor: User,
    participant: Participant,
    values: Mapping[str, Any],
    expected_version: int | None = None,
    reason: str = "",
) -> Record:
    started = _started(participant)
    ended = keyfacts.save(
        actor, participant, "treatment_end", values, expected_version=expected_version, reason=reason
    ).record
    planned = participant.protocol_version.definition.parts.treatment
    if planned is not None:
        _require_true(participant, planned, started, ended)
        _note_deviations(actor, participant, planned, started, ended, _why(ended))
    return ended


def _started(participant: Participant) -> Record:
    started = facts.driving(participant, "treatment_start").first()
    if started is None:
        raise TreatmentNotStarted(participant=participant.code)
    return started


def _why(record: Record) -> str:
    """The reason on the form, where one is given."""
    return str(record.data.get("reason", {}).get("value", "")).strip()


def _dated_otherwise(participant: Participant, on: dt.date) -> bool:
    """Whether visits count from another end already: of the surgery, where no local treatment was to be expected."""
    return Visit.objects.filter(participant=participant, anchor=ANCHOR).exclude(anchor_on=on).exists()


def _note_other_arm(actor: User, participant: Participant, started: Record, why: str) -> None:
    """Record the deviation where the treatment that has begun is not of the participant's own arm.

    Raises TooEarly before the randomization, Invalid without a reason.
    """
    if started.event in {visit.code for visit in schedule.visits_of(actor, participant)}:
        return
    code = participant.protocol_version.definition.parts.randomization.code
    randomized = Visit.objects.filter(participant=participant, code=code).first()
    if randomized and randomized.attended_on and keyfacts.day(started) < randomized.attended_on:
        raise TooEarly(visit=started.event, earlier=code)
    named = started.protocol_version.definition.visit(started.event).name
    what = findings.what("other_arm", visit=named, day=keyfacts.day(started))
    if not why.strip():
        raise Invalid(fields={"reason": [_("Say why."), str(what)]})
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
    fractions = _fractions(participant, planned, started)
    given = [day for day, _number in fractions]
    numbers = [number for _day_of, number in fractions if number is not None]
    item = keyfacts.dated(participant, ended)
    last = given[-1] if given else None
    if last != ended.observed_on:
        sentence = (
            _("The last fraction on record is of {day}.").format(day=last)
            if last
            else _("No fraction is on record.")
        )
        raise Invalid(fields={item: [sentence]})
    _require_first(participant, planned, started, ended)
    if twice := sorted({one for one in numbers if numbers.count(one) > 1}):
        sentence = _("Fraction {number} is on record more than once.").format(number=twice[0])
        raise Invalid(fields={item: [sentence]})
    number = planned_fractions(planned, started)
    if _completed(ended) and len(given) != number:
        sentence = _("{given} of {planned} planned fractions are on record.").format(
            given=len(given), planned=number
        )
        raise Invalid(fields={"completed": [sentence]})


def _fractions(participant: Participant, planned: LocalTreatment, started: Record) -> list[tuple[Any, Any]]:
    """Day and number of each fraction on record, in the order in which they were given."""
    return list(
        Record.objects.filter(
            participant=participant, event=started.event, form=planned.fraction, state="complete"
        )
        .order_by("observed_on")
        .values_list("observed_on", f"data__{NUMBER}__value")
    )


def _require_first(
    participant: Participant, planned: LocalTreatment, started: Record, entered: Record
) -> None:
    """The first fraction on record is of the day of the start; refused beside the date of the form `entered`."""
    given = _fractions(participant, planned, started)
    if given and given[0][0] != started.observed_on:
        sentence = _("The first fraction on record is of {day}, the start of {start}.").format(
            day=given[0][0], start=started.observed_on
        )
        raise Invalid(fields={keyfacts.dated(participant, entered): [sentence]})


def planned_fractions(planned: LocalTreatment, started: Record) -> int:
    """How many fractions the plan has, as it was recorded with the first. Raises Invalid where that does not say it."""
    value = started.data.get(planned.item, {}).get("value")
    if value is None:
        raise Invalid(fields={planned.item: [_("The start of treatment does not say how many are planned.")]})
    return int(value)


def _note_deviations(
    actor: User,
    participant: Participant,
    planned: LocalTreatment,
    started: Record,
    ended: Record,
    why: str,
) -> None:
    took = (keyfacts.day(ended) - keyfacts.day(started)).days
    most = int(participant.protocol_version.definition.settings[planned.days])
    found = []
    if not _completed(ended):
        found.append(findings.what("ended_early", day=keyfacts.day(ended)))
    if took > most:
        found.append(findings.what("took_long", took=took, most=most))
    if found and not why:
        raise Invalid(fields={"reason": [_("Say why."), *map(str, found)]})
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
