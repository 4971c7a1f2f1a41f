"""Randomization: by the server, or entered from an envelope that was opened while the server was down."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial

from django.db import OperationalError
from django.utils.translation import gettext as _
from psycopg.errors import DeadlockDetected, LockNotAvailable

from eligibility import services as eligibility
from randomization import services as randomization
from randomization.errors import Busy, EnvelopeDiffers, SecondPersonNeeded, StrataChanged, StrataDiffer
from trialsite.audit.context import acting
from trialsite.casebook import standing, values
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.core.queue import enqueue_on_commit
from trialsite.enrollment import (
    conditions,
    ended,
    facts,
    keyfacts,
    locking,
    notices,
    order,
    schedule,
    steps,
)
from trialsite.enrollment.errors import (
    AlreadyRandomized,
    OpenedBeforeSurgery,
    OpenedInFuture,
)
from trialsite.outbox.tasks import send_due
from trialsite.participants.models import Participant
from trialsite.staff import signatures
from trialsite.staff.access import forget, has, require
from trialsite.staff.capabilities import ARM_SEE, ELIGIBILITY_SIGN, PARTICIPANT_VIEW
from trialsite.staff.models import User
from visits import services as visits


def randomize(
    *,
    actor: User,
    participant: Participant | str,
    idempotency_key: str,
    strata: Mapping[str, str] | None = None,
) -> randomization.Outcome:
    """Allocate the arm, in one durable transaction: it is committed when this returns, and never before.

    `participant` may be given by the code: NotFound where the actor sees none of it, as for one that does not exist.
    Whoever has an allocation gets that answer, for good, by whatever key. `strata` are the stratification values that
    the person confirmed; others than those on record are refused, and for someone who is allocated already the trial
    managers and the principal investigator are told. Refuses whoever is not consented, signed eligible, operated and
    within the days for randomization.
    """
    try:
        with acting(actor, durable=True):
            locked = _held(actor, participant)
            return _randomize(actor, locked, idempotency_key, strata, randomization.allocate)
    except StrataChanged:
        # The transaction is gone; the alert must stay.
        notices.alert_other_strata(actor=actor, participant=locked, strata=strata or {})
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
    check_code: str,
    opened_at: dt.datetime,
    reason: str,
    password: str,
    second: User,
    second_password: str,
    code: str = "",
    second_code: str = "",
) -> randomization.Outcome:
    """Enter an allocation that was made from a sealed envelope while the system was down, signed by two persons.

    What `randomize` asks for is asked as of the day on which the envelope was opened. It has happened: what did not
    hold then is recorded as a protocol deviation, for `reason`, and whoever has left since is entered too. The entry
    with its check code, its arm and the reason are signed by `actor` and by `second`, an investigator of the hospital.
    Raises SecondPersonNeeded, OpenedInFuture, OpenedBeforeSurgery, WrongPassword, AlreadyRandomized, StepRefused and
    what `randomization.allocate_by_envelope` raises; then nothing is stored but that an envelope was refused, of which
    statisticians, trial managers and the principal investigator are told.
    """
    if second.pk == actor.pk:
        raise SecondPersonNeeded(fields={"second": [SecondPersonNeeded.message]})
    if opened_at > clock.now():
        raise OpenedInFuture(fields={"opened_at": [OpenedInFuture.message]})
    try:
        return _enter(
            actor,
            participant,
            idempotency_key,
            number,
            arm,
            check_code,
            opened_at,
            reason,
            (actor, password, code),
            (second, second_password, second_code),
        )
    except EnvelopeDiffers:
        # The transaction is gone; that it was tried must stay.
        notices.alert_envelope_refused(actor=actor, participant=participant, number=number)
        raise


def _enter(
    actor: User,
    participant: Participant,
    idempotency_key: str,
    number: int,
    arm: str,
    check_code: str,
    opened_at: dt.datetime,
    reason: str,
    *signers: tuple[User, str, str],
) -> randomization.Outcome:
    second = signers[-1][0]
    with acting(actor, reason=reason, durable=True):
        locked = _held(actor, participant)
        # Whoever enters what an envelope held knows the arm.
        require(actor, ARM_SEE, site=locked.site_id)
        require(second, ARM_SEE, site=locked.site_id)
        require(second, ELIGIBILITY_SIGN, site=locked.site_id)
        content = {
            "participant": locked.code,
            "envelope": number,
            "arm": arm,
            "check_code": check_code,
            "opened_at": opened_at.isoformat(),
            "reason": reason,
        }
        known = randomization.stored(participant=locked, strata=None)
        each = zip((signatures.sign, signatures.sign_as_second), signers, strict=True)
        for sign, (signer, secret, shown) in () if known else each:
            sign(
                actor=signer,
                password=secret,
                code=shown,
                meaning=_("I have seen the opened envelope; this is what it held."),
                content=content,
                covers=[("envelope", locked.pk, number)],
                site=locked.site,
                participant=locked.pk,
                # Of two arms the hash of the content tells which one.
                reveals_arm=True,
            )
        return _randomize(
            actor,
            locked,
            idempotency_key,
            None,
            partial(
                randomization.allocate_by_envelope,
                number=number,
                arm=arm,
                check_code=check_code,
                opened_at=opened_at,
            ),
            opened_on=clock.local_date(opened_at, locked.site.timezone),
            reason=reason,
        )


def _held(actor: User, participant: Participant | str) -> Participant:
    """The participant under lock, whom `actor` may randomize."""
    if isinstance(participant, str):
        locked = Participant.objects.lock(participant)
    else:
        locked = Participant.objects.lock(participant.pk, known=participant)
    # A role may have ended while this waited for the lock.
    forget(actor)
    if not has(actor, PARTICIPANT_VIEW, site=locked.site_id):
        raise NotFound
    require(actor, steps.RANDOMIZE.capability, site=locked.site_id)
    return locked


def _randomize(
    actor: User,
    locked: Participant,
    idempotency_key: str,
    strata: Mapping[str, str] | None,
    allocate: Callable[..., randomization.Outcome],
    opened_on: dt.date | None = None,
    reason: str = "",
) -> randomization.Outcome:
    known = randomization.stored(participant=locked, strata=strata, idempotency_key=idempotency_key)
    if known:
        if opened_on is not None and known.idempotency_key != idempotency_key:
            raise AlreadyRandomized(participant=locked.code)
        return known
    ends = ended.of(locked) if opened_on else []
    in_turn = steps.RANDOMIZE.possible_from(locked.status)
    if not in_turn and not (opened_on and ends and ended.permits(locked, ends, opened_on)):
        raise locking.refused(locked, steps.RANDOMIZE)
    standing.require_open(locked, event=locked.protocol_version.definition.parts.randomization.code)
    signed = eligibility.last_signed(locked) if opened_on else eligibility.require_signed(locked)
    # Read once, before the trial's lock: what is asked below is asked of these.
    records, planned = values.recorded(locked), schedule.of(locked)
    frozen = facts.strata(locked, records=records)
    if strata is not None and dict(strata) != frozen:
        raise StrataDiffer
    operated = facts.the(locked, "surgery", records)
    if opened_on and opened_on < (day := keyfacts.day(operated)):
        told = str(OpenedBeforeSurgery(day=day))
        raise OpenedBeforeSurgery(day=day, fields={"opened_at": [told]})
    day = opened_on or clock.today(locked.site.timezone)
    unmet = conditions.unmet(locked, operated, signed, frozen, day, records)
    if opened_on is None:
        order.require_not_forgone(locked, planned)
        for _category, error in unmet:
            raise error
    else:
        # An envelope was opened in its own time, whatever is paused by now.
        conditions.note(actor, locked, list(unmet), day, reason)
        ended.take_back(actor, locked, ends)
        if schedule.is_forgone(locked, planned):
            schedule.reopen_randomization(actor, locked, _("An envelope had been opened before."))
        planned = schedule.of(locked)
    outcome = allocate(
        actor=actor,
        participant=locked,
        site=locked.site,
        strata=frozen,
        eligibility_hash=signed.signature.content_hash,
        idempotency_key=idempotency_key,
    )
    if in_turn:
        locking.move(actor, locked, steps.RANDOMIZE)
    definition = locked.protocol_version.definition
    dates = schedule.anchors(actor, locked, outcome, records=records, planned=planned)
    if schedule.waits_for_treatment(planned):
        schedule.date_what_waits(actor, locked, dates, _("The participant was randomized."))
        planned = schedule.of(locked)
    visits.schedule(
        actor=actor,
        participant=locked,
        anchors=dates,
        visits=schedule.begun_by_randomization(definition, outcome.arm),
        known=planned,
    )
    milestone = definition.parts.randomization.code
    schedule.attend(actor, locked, milestone, on=day, reason=reason, allocated=True, planned=planned)
    ended.set_again(actor, locked, ends)
    notices.announce_allocation(actor=actor, participant=locked, outcome=outcome)
    enqueue_on_commit(send_due)
    return outcome
