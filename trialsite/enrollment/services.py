"""The path of a participant. One service for each step; all of them refuse out of order with a named error.

Order inside each: bind the actor, ask for the capability, lock the participant, re-read, decide, write, enqueue.
A repeated request gives the same answer and writes no second row.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.db import OperationalError
from django.utils.translation import gettext as _
from psycopg.errors import DeadlockDetected, LockNotAvailable

from eligibility import rules as eligibility_rules
from eligibility import services as eligibility
from eligibility.models import SignedVerdict
from randomization import services as randomization
from randomization.errors import Busy, StrataChanged, StrataDiffer
from trialsite.audit.context import acting
from trialsite.casebook import services as casebook
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.core.queue import enqueue_on_commit
from trialsite.enrollment import facts, keyfacts, notices, order, schedule, steps, treatment
from trialsite.enrollment.errors import (
    AlreadyRandomized,
    NotToBeRescreened,
    OpenedInFuture,
    RandomizationForgone,
    RecheckMissing,
    SecondPersonNeeded,
    StepRefused,
    StrataNotSigned,
    VisitsOpen,
)
from trialsite.enrollment.steps import Step
from trialsite.outbox.tasks import send_due
from trialsite.participants import services as participants
from trialsite.participants.errors import TreatmentWithdrawn
from trialsite.participants.models import Consent, Participant, Withdrawal
from trialsite.protocol.expression import partial_date
from trialsite.sites.models import Site
from trialsite.sites.services import require_active, version_in_force
from trialsite.staff import signatures
from trialsite.staff.access import forget, require
from trialsite.staff.capabilities import ELIGIBILITY_SIGN, PARTICIPANT_REGISTER
from trialsite.staff.models import User
from visits import services as visits
from visits.models import Visit


def register(*, actor: User, site: Site, registration_key: str) -> Participant:
    """A new participant at `site` under the newest version activated there; the same key gives the same participant."""
    with acting(actor):
        require(actor, PARTICIPANT_REGISTER, site=site)
        require_active(site)
        return participants.register(
            actor=actor,
            site=site,
            protocol_version=version_in_force(site),
            registration_key=registration_key,
        )


def consent(
    *,
    actor: User,
    participant: Participant,
    form_version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    obtained_by: User | None = None,
) -> Consent:
    """Record that patient and family have signed; the participant becomes *consented*.

    `obtained_by` is who explained the trial and took the signatures; without it, whoever records.
    """
    with acting(actor):
        locked = _lock(actor, participant, steps.CONSENT, repeat_at="consented")
        given = participants.record_consent(
            actor=actor,
            participant=locked,
            form_version=form_version,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            obtained_by=obtained_by or actor,
        )
        participants.adopt(actor=actor, participant=locked, consent=given)
        _move(actor, locked, steps.CONSENT)
        return given


def reconsent(
    *,
    actor: User,
    participant: Participant,
    form_version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    obtained_by: User | None = None,
) -> Consent:
    """Record consent to an amended form; the participant is bound to that form's protocol version from then on.

    Records keep the version under which they were made; visits that are open follow the new one. A signature on
    eligibility that was given before surgery under the version before falls: other criteria may hold now.
    """
    with acting(actor):
        locked = _lock(actor, participant, steps.RECONSENT)
        given = participants.record_consent(
            actor=actor,
            participant=locked,
            form_version=form_version,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            obtained_by=obtained_by or actor,
        )
        moved = participants.adopt(actor=actor, participant=locked, consent=given)
        if moved and locked.status == "eligible":
            eligibility.let_fall(
                participant=locked, reason=_("consent to version {version}").format(version=form_version)
            )
        if moved:
            schedule.replan(
                actor=actor,
                participant=Participant.objects.lock(locked.pk),
                reason=_("consent to version {version}").format(version=form_version),
            )
        return given


def verdict(*, participant: Participant, surgery_on: dt.date | None = None) -> eligibility_rules.Verdict:
    """The present verdict, computed over what is recorded, as of `surgery_on`, else of `facts.reference_day`."""
    return facts.judge(participant, surgery_on or facts.reference_day(participant))


def sign_eligibility(
    *, actor: User, participant: Participant, password: str, surgery_on: dt.date, code: str = ""
) -> SignedVerdict:
    """An investigator signs that every criterion is satisfied as of the planned surgery.

    `code` is of the second factor, which the first signature of a session asks for.
    """
    with acting(actor):
        locked = _lock(actor, participant, steps.SIGN)
        if locked.status == "operated":
            _require_true_surgery(locked, surgery_on)
        signed = eligibility.sign(
            actor=actor,
            participant=locked,
            password=password,
            code=code,
            verdict=facts.judge(locked, surgery_on),
            surgery_on=surgery_on,
            strata=facts.strata(locked, complete=False),
            covers=facts.covered(locked),
        )
        if locked.status != "operated":
            participants.plan_surgery(actor=actor, participant=locked, on=surgery_on)
        if locked.status == "consented":
            _move(actor, locked, steps.SIGN)
        return signed


def _require_true_surgery(participant: Participant, surgery_on: dt.date) -> None:
    recorded = facts.surgery_on(participant)
    if surgery_on != recorded:
        sentence = _("The surgery took place on {day}; sign for that day.").format(day=recorded)
        raise Invalid(fields={"surgery_on": [sentence]})


def fail_screening(*, actor: User, participant: Participant, reason: str, note: str = "") -> Participant:
    """End the screening of someone who will not take part, for a `reason` of `ScreenFailure.Reason`.

    The criteria that fail by what is recorded at that time are kept along, whatever the reason.
    """
    with acting(actor, reason=note.strip() or reason):
        locked = _lock(actor, participant, steps.FAIL, repeat_at="screen_failed")
        # What fails today fails, whatever day the surgery was to be.
        t0 = facts.reference_day(locked) or clock.today(locked.site.timezone)
        failing = facts.judge(locked, t0).failing() if locked.status != "registered" else ()
        participants.record_failure(
            actor=actor, participant=locked, reason=reason, criteria=failing, note=note
        )
        return _move(actor, locked, steps.FAIL, reason=reason)


def rescreen(*, actor: User, participant: Participant, registration_key: str) -> Participant:
    """Screen someone anew after a screen failure: a new participant with a code of its own, linked to this attempt.

    A new code rather than a second life of the old one: no consent, value or signature of one attempt can then count
    for another, and the log counts attempts. The same key gives the same participant.
    """
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        require(actor, PARTICIPANT_REGISTER, site=locked.site_id)
        following = Participant.objects.filter(previous=locked).with_protocol().first()
        if following and following.registration_key == registration_key:
            return following
        if locked.status != "screen_failed" or following:
            raise NotToBeRescreened(participant=locked.code)
        require_active(locked.site)
        return participants.register(
            actor=actor,
            site=locked.site,
            protocol_version=version_in_force(locked.site),
            registration_key=registration_key,
            previous=locked,
        )


def operate(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> list[Visit]:
    """Record the surgery and schedule every visit that does not depend on the arm, with windows from its date.

    The signed verdict must stand, and must hold as of the actual date too.
    """
    with acting(actor):
        locked = _lock(actor, participant, steps.OPERATE, repeat_at="operated")
        definition = locked.protocol_version.definition
        saved = keyfacts.save(actor, locked, "surgery", values)
        anchor = _date_of(saved.record)
        order.require_after_consent(locked, anchor)
        order.require_in_order(locked, saved.record.event, anchor)
        if locked.status == "eligible":
            eligibility.require_signed(locked)
            eligibility.require_eligible(facts.judge(locked, anchor))
            _move(actor, locked, steps.OPERATE)
        common = [visit for visit in definition.visits if not visit.arms]
        return visits.schedule(actor=actor, participant=locked, anchors={"surgery": anchor}, visits=common)


def randomize(
    *,
    actor: User,
    participant: Participant,
    idempotency_key: str,
    strata: Mapping[str, str] | None = None,
) -> randomization.Outcome:
    """Allocate the arm, in one durable transaction: it is committed when this returns, and never before.

    The same key gives the same answer, for good. `strata` are the stratification values that the person confirmed;
    others than those on record are refused, and for someone who is allocated already the trial managers are told.
    Refuses whoever is not consented, signed eligible, operated and within the days for randomization, and whoever
    has an allocation already.
    """
    try:
        with acting(actor, durable=True):
            return _randomize(actor, participant, idempotency_key, strata, randomization.allocate)
    except StrataChanged:
        # The transaction is gone; the alert must stay.
        notices.alert_other_strata(actor=actor, participant=participant, strata=strata or {})
        raise
    except OperationalError as error:
        if isinstance(error.__cause__, (LockNotAvailable, DeadlockDetected)):
            raise Busy from error
        raise


def enter_envelope(
    *,
    actor: User,
    participant: Participant,
    idempotency_key: str,
    number: int,
    arm: str,
    opened_at: dt.datetime,
    reason: str,
    password: str,
    second: User,
    second_password: str,
    code: str = "",
    second_code: str = "",
) -> randomization.Outcome:
    """Enter an allocation that was made from a sealed envelope while the system was down, signed by two persons.

    All of `randomize` is asked for, as of the day on which the envelope was opened; the entry, its arm and the reason
    are signed by `actor` and by `second`, an investigator of the hospital. Raises SecondPersonNeeded, WrongPassword,
    and what `randomize` and `randomization.allocate_by_envelope` raise; then nothing is stored.
    """
    if second.pk == actor.pk:
        raise SecondPersonNeeded
    if opened_at > clock.now():
        raise OpenedInFuture
    with acting(actor, reason=reason, durable=True):
        locked = Participant.objects.lock(participant.pk)
        require(actor, steps.RANDOMIZE.capability, site=locked.site_id)
        require(second, ELIGIBILITY_SIGN, site=locked.site_id)
        content = {
            "participant": locked.code,
            "envelope": number,
            "arm": arm,
            "opened_at": opened_at.isoformat(),
            "reason": reason,
        }
        both = ((actor, password, code), (second, second_password, second_code))
        for signer, secret, shown in (
            both if randomization.stored(participant=locked, strata=None) is None else ()
        ):
            signatures.sign(
                actor=signer,
                password=secret,
                code=shown,
                meaning=_("I have seen the opened envelope; this is what it held."),
                content=content,
                covers=[],
                site=locked.site,
            )
        return _randomize(
            actor,
            locked,
            idempotency_key,
            None,
            partial(randomization.allocate_by_envelope, number=number, arm=arm),
            on=clock.local_date(opened_at, locked.site.timezone),
        )


def _randomize(
    actor: User,
    participant: Participant,
    idempotency_key: str,
    strata: Mapping[str, str] | None,
    allocate: Callable[..., randomization.Outcome],
    on: dt.date | None = None,
) -> randomization.Outcome:
    locked = Participant.objects.lock(participant.pk)
    require(actor, steps.RANDOMIZE.capability, site=locked.site_id)
    known = randomization.stored(participant=locked, strata=strata)
    if known:
        if known.idempotency_key != idempotency_key:
            raise AlreadyRandomized(participant=locked.code)
        return known
    if not steps.RANDOMIZE.possible_from(locked.status):
        raise _refused(locked, steps.RANDOMIZE)
    signed = eligibility.require_signed(locked)
    frozen = facts.strata(locked)
    if strata is not None and dict(strata) != frozen:
        raise StrataDiffer
    if signed.document["strata"] != frozen:
        raise StrataNotSigned(participant=locked.code)
    surgery_on = facts.surgery_on(locked)
    # As of the day signed for the verdict stands with its signature; the true day may have turned out to be another.
    if signed.surgery_on != surgery_on:
        eligibility.require_eligible(facts.judge(locked, surgery_on))
    # An envelope was opened in its own time, whatever is paused by now.
    if on is None:
        require_active(locked.site)
        _require_not_forgone(locked)
    _require_treatment(locked)
    day = on or clock.today(locked.site.timezone)
    order.require_randomization_day(locked, surgery_on, day)
    _require_recheck(locked, surgery_on)
    outcome = allocate(
        actor=actor,
        participant=locked,
        site=locked.site,
        strata=frozen,
        eligibility_hash=signed.signature.content_hash,
        idempotency_key=idempotency_key,
    )
    _move(actor, locked, steps.RANDOMIZE)
    definition = locked.protocol_version.definition
    visits.schedule(
        actor=actor,
        participant=locked,
        anchors=schedule.anchors(actor, locked),
        visits=schedule.begun_by_randomization(definition, outcome.arm),
    )
    _attend(actor, locked, definition.parts.randomization.code, on=day, allocated=True)
    notices.announce_allocation(actor=actor, participant=locked, outcome=outcome)
    enqueue_on_commit(send_due)
    return outcome


def start_sbrt(
    *, actor: User, participant: Participant, values: Mapping[str, Any], reason: str = ""
) -> casebook.Saved:
    """Record the first fraction of SBRT, which is a visit of the schedule: never before the randomization, and with a
    reason outside its days.

    Given in the other arm, it is a protocol deviation and needs a reason too: on the form, or `reason`.
    """
    with acting(actor, reason=reason):
        locked = _lock(actor, participant, steps.START_SBRT)
        _require_treatment(locked)
        saved = keyfacts.save(actor, locked, "sbrt_start", values)
        why = saved.record.data.get("reason", {}).get("value", "") or reason
        treatment.note_other_arm(actor, locked, saved.record, why)
        _attend(actor, locked, saved.record.event, on=_date_of(saved.record), reason=why)
        return saved


def complete(*, actor: User, participant: Participant) -> Participant:
    """Every visit is settled: the participant has *completed* the trial. Raises VisitsOpen, naming the others."""
    with acting(actor):
        locked = _lock(actor, participant, steps.COMPLETE, repeat_at="completed")
        left = (
            Visit.objects.open()
            .filter(participant=locked)
            .order_by("target_on")
            .values_list("code", flat=True)
        ) or schedule.undated(actor, locked)
        if left:
            raise VisitsOpen(visits=", ".join(left))
        return _move(actor, locked, steps.COMPLETE)


def withdraw(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> Participant:
    """Record what a participant withdraws from: treatment, visits or use of data, one after another.

    From treatment: follow-up goes on, and SBRT can no longer be started. From visits: later visits become *not
    expected*, and the status *withdrawn*. From use of data: that too, and nothing more is captured.
    """
    treatment = _level(values) == Withdrawal.Level.TREATMENT
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        further = treatment or locked.status in ("completed", "withdrawn")
        locked = _lock(actor, locked, steps.WITHDRAW_FURTHER if further else steps.WITHDRAW)
        saved = keyfacts.save(actor, locked, "withdrawal", values, repeat=_withdrawal_number(locked, values))
        level, on = str(saved.record.data["level"]["value"]), _date_of(saved.record)
        participants.record_withdrawal(actor=actor, participant=locked, level=level, on=on)
        if level != Withdrawal.Level.TREATMENT:
            visits.stop(actor=actor, participant=locked, after=on, reason=steps.WITHDRAW.code)
        return locked if further else _move(actor, locked, steps.WITHDRAW)


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


def _require_treatment(participant: Participant) -> None:
    left = Withdrawal.objects.filter(participant=participant, level=Withdrawal.Level.TREATMENT).first()
    if left:
        raise TreatmentWithdrawn(participant=participant.code, day=left.on)


def record_death(*, actor: User, participant: Participant, values: Mapping[str, Any]) -> Participant:
    """Record a death; later visits become *not expected*, never *missed*.

    Where its day is not known, they are those after the first day that is possible.
    """
    with acting(actor):
        locked = _lock(actor, participant, steps.DIE, repeat_at="dead")
        saved = keyfacts.save(actor, locked, "death", values)
        visits.stop(
            actor=actor, participant=locked, after=_earliest(locked, saved.record), reason=steps.DIE.code
        )
        return _move(actor, locked, steps.DIE)


def _lock(actor: User, participant: Participant, step: Step, *, repeat_at: str | None = None) -> Participant:
    """The participant under lock, after asking whether `actor` may take `step` there and whether it is its turn.

    `repeat_at` is the status in which the step may come again with the same content.
    """
    locked = Participant.objects.lock(participant.pk)
    # A role may have ended while this waited for the lock.
    forget(actor)
    require(actor, step.capability, site=locked.site_id)
    if not step.possible_from(locked.status) and locked.status != repeat_at:
        raise _refused(locked, step)
    return locked


def _refused(participant: Participant, step: Step) -> StepRefused:
    return StepRefused(participant=participant.code, status=participant.get_status_display(), step=step.label)


def _move(actor: User, participant: Participant, step: Step, *, reason: str = "") -> Participant:
    if step.to is None or participant.status == step.to:
        return participant
    return participants.move(actor=actor, participant=participant, to=step.to, reason=reason)


def _date_of(record: Any) -> dt.date:
    """The date that a driving form's record carries; the form's definition makes it required and exact."""
    observed: dt.date = record.observed_on
    return observed


def _earliest(participant: Participant, record: Any) -> dt.date:
    """The first day on which what a driving form records can have been: its date may be partial."""
    form = participant.protocol_version.definition.form(record.form)
    first: dt.date = partial_date(record.data[form.observed_item or ""]["value"]).low
    return first


def _attend(
    actor: User,
    participant: Participant,
    code: str,
    *,
    on: dt.date,
    reason: str = "",
    allocated: bool = False,
) -> None:
    """Some steps are themselves visits of the schedule: nobody should be reminded of them afterwards."""
    planned = Visit.objects.open().filter(participant=participant, code=code).first()
    if planned:
        visits.attend(actor=actor, visit=planned, on=on, reason=reason, allocated=allocated)


def _require_not_forgone(participant: Participant) -> None:
    if schedule.is_forgone(participant):
        raise RandomizationForgone(participant=participant.code)


def _require_recheck(participant: Participant, surgery_on: dt.date) -> None:
    rechecked = facts.recheck(participant, surgery_on)
    if rechecked is not None:
        eligibility.require_eligible(rechecked)
    elif left := facts.unanswered(participant):
        raise RecheckMissing(form=left[0].name)
