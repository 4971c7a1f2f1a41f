"""Corrections of key facts. What follows from them is brought in line; what has happened stays."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings
from trialsite.casebook import order as casebook_order
from trialsite.casebook import services as records
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.enrollment import facts, keyfacts, locking, order, schedule, steps, surgery
from trialsite.participants import services as participants
from trialsite.participants.models import Consent, Participant
from trialsite.staff.models import User
from visits import rules
from visits import services as visits
from visits.errors import BadDate
from visits.models import Visit


def correct_surgery(
    *, actor: User, participant: Participant, values: Mapping[str, Any], expected_version: int, reason: str
) -> list[Visit]:
    """Correct what was recorded of the surgery; where its date moves, the open windows move with it.

    Visits that have taken place stay as they are, and the date may not lie after any of them. A true date on which a
    rule was not kept, or from which the randomization lies outside its days, is a protocol deviation. Returns the
    visits that moved. Raises StepRefused, BadDate, VersionConflict, ReasonNeeded, ValuesRefused.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.CORRECT_SURGERY)
        before = facts.surgery_on(locked)
        record = keyfacts.save(
            actor, locked, "surgery", values, expected_version=expected_version, reason=reason
        ).record
        after = keyfacts.day(record)
        if after == before:
            return []
        _require_before_what_happened(locked, after)
        surgery.note(actor, locked, record, reason)
        _note_randomization(actor, locked, after, reason)
        return schedule.replan(actor=actor, participant=locked, reason=reason)


def _require_before_what_happened(participant: Participant, surgery_on: dt.date) -> None:
    happened = Visit.objects.filter(participant=participant, anchor="surgery", attended_on__lt=surgery_on)
    first = happened.order_by("attended_on").first()
    if first is not None:
        sentence = _("{visit} took place on {on}, before this date.").format(
            visit=first.code, on=first.attended_on
        )
        form = participant.protocol_version.definition.parts.driving("surgery").form
        dated = participant.protocol_version.definition.form(form).observed_item or ""
        raise BadDate(fields={dated: [sentence]})


def _note_randomization(actor: User, participant: Participant, surgery_on: dt.date, reason: str) -> None:
    planned = participant.protocol_version.definition.parts.randomization
    randomized = Visit.objects.filter(participant=participant, code=planned.code, state="attended").first()
    if randomized is None or randomized.attended_on is None or planned.offset is None:
        return
    window = rules.window(surgery_on, planned.offset, planned.before, planned.after)
    if not window.holds(randomized.attended_on):
        deviations.record(
            actor=actor,
            participant=participant,
            category="visit_window",
            on=randomized.attended_on,
            what=findings.what("randomized_outside", day=surgery_on),
            why=reason,
            subject=planned.code,
        )


def _schedule_after_local_treatment(actor: User, participant: Participant, reason: str) -> None:
    """Without a randomization local treatment has ended with the surgery: what waits for its end is dated."""
    known = schedule.anchors(actor, participant)
    schedule.date_what_waits(actor, participant, known, reason)
    waiting = [
        one for one in schedule.after_treatment(participant.protocol_version.definition) if not one.arms
    ]
    visits.schedule(actor=actor, participant=participant, anchors=known, visits=waiting)


def forgo_randomization(*, actor: User, participant: Participant, reason: str) -> int:
    """An operated participant will not be randomized: the visit of the randomization is missed, with the reason.

    The setting `follow_not_randomized` says whether safety follow-up goes on; where it does not, later visits are not
    expected any more. Returns how many. Where the visit was missed already, what follows from it is made good.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.FORGO)
        code = locked.protocol_version.definition.parts.randomization.code
        planned = Visit.objects.filter(participant=locked, code=code).first()
        if planned is None or planned.state in (Visit.State.ATTENDED, Visit.State.NOT_EXPECTED):
            return 0
        if planned.state != Visit.State.MISSED:
            visits.miss(actor=actor, visit=planned, reason=reason, forgone=True)
        _schedule_after_local_treatment(actor, locked, reason)
        if locked.protocol_version.definition.settings.get("follow_not_randomized", True):
            return 0
        return visits.stop(actor=actor, participant=locked, after=planned.opens_on, reason=steps.FORGO.code)


def resume_randomization(*, actor: User, participant: Participant, reason: str) -> Participant:
    """Take back that the participant will not be randomized, as long as the days for it last.

    What was not expected any more because of it is expected again. Taken back already, or never recorded, nothing
    changes. Raises OutsideRandomizationWindow.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.RESUME)
        if schedule.is_forgone(locked):
            today = clock.today(locked.site.timezone)
            order.require_randomization_day(locked, facts.surgery_on(locked), today, closing=True)
            schedule.reopen_randomization(actor, locked, reason)
        return locked


def correct_consent(
    *,
    actor: User,
    participant: Participant,
    form_version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    expected_version: int,
    reason: str,
    obtained_by: User | None = None,
    signed_version: str = "",
    obtained_at: int | None = None,
) -> Consent:
    """Correct when patient and family signed a version of the form, and who obtained it, or which one was signed.

    `obtained_at` is the key of the hospital where that was, the present one unless the participant has moved since.
    The signature on eligibility falls by a trigger: criteria rest on the times. What turns out to have been done for
    the trial before the consent is a protocol deviation. Raises NotFound, VersionConflict, Invalid, ReasonNeeded.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.CORRECT_CONSENT)
        given = Consent.objects.filter(participant=locked, form_version=form_version)
        if obtained_at is not None:
            given = given.filter(obtained_at=obtained_at)
        # Of two hospitals' forms with one name the one signed last.
        before = given.order_by("-patient_signed_at", "-pk").first()
        if before is None:
            raise NotFound
        corrected = participants.correct_consent(
            actor=actor,
            consent=before,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            expected_version=expected_version,
            reason=reason,
            obtained_by=obtained_by,
            signed_version=signed_version,
        )
        if corrected.version != before.version:
            _note_before_consent(actor, locked, reason)
            records.follow_consent(actor=actor, participant=locked, reason=reason)
        return corrected


def _note_before_consent(actor: User, participant: Participant, reason: str) -> None:
    early = casebook_order.before_consent(participant)
    operated = facts.driving(participant, "surgery").first()
    if operated and order.is_before_consent(participant, keyfacts.day(operated)):
        early.append(operated)
    for record in early:
        definition = record.protocol_version.definition
        deviations.record(
            actor=actor,
            participant=participant,
            category="consent",
            on=keyfacts.day(record),
            what=findings.what(
                "before_consent",
                event=definition.visit(record.event).name,
                form=definition.form(record.form).name,
            ),
            why=reason,
            subject=record.event,
        )


def correct_death(
    *, actor: User, participant: Participant, values: Mapping[str, Any], expected_version: int, reason: str
) -> int:
    """Correct what was recorded of the death; returns how many visits became expected, or are not any more.

    Visits that closed before the true day are expected again, later ones are not; its last possible day lies after
    none that took place. Raises BadDate, VersionConflict, ReasonNeeded, ValuesRefused.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.CORRECT_DEATH)
        record = keyfacts.save(
            actor, locked, "death", values, expected_version=expected_version, reason=reason
        ).record
        first, last = keyfacts.days(locked, record)
        later = Visit.objects.filter(participant=locked, attended_on__gt=last).order_by("attended_on").first()
        if later is not None:
            sentence = _("{visit} took place on {on}, after this date.").format(
                visit=later.code, on=later.attended_on
            )
            raise BadDate(fields={keyfacts.dated(locked, record): [sentence]})
        again = visits.resume(actor=actor, participant=locked, stopped_for=steps.DIE.code, before=first)
        return again + visits.stop(actor=actor, participant=locked, after=first, reason=steps.DIE.code)
