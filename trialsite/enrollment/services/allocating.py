"""Randomization: by the server, or entered from an envelope that was opened while the server was down."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial

from django.db import OperationalError
from django.utils.translation import gettext as _
from psycopg.errors import DeadlockDetected, LockNotAvailable

from eligibility import services as eligibility
from randomization import services as randomization
from randomization.errors import Busy, StrataChanged, StrataDiffer
from trialsite.audit.context import acting
from trialsite.casebook import standing
from trialsite.core import clock
from trialsite.core.queue import enqueue_on_commit
from trialsite.enrollment import facts, keyfacts, locking, notices, order, recheck, schedule, steps, surgery
from trialsite.enrollment.errors import (
    AlreadyRandomized,
    OpenedInFuture,
    SecondPersonNeeded,
    StrataNotSigned,
)
from trialsite.outbox.tasks import send_due
from trialsite.participants.models import Participant
from trialsite.sites.services import require_active
from trialsite.staff import signatures
from trialsite.staff.access import require
from trialsite.staff.capabilities import ARM_SEE, ELIGIBILITY_SIGN
from trialsite.staff.models import User
from visits import services as visits


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
        # Whoever enters what an envelope held knows the arm.
        require(actor, ARM_SEE, site=locked.site_id)
        require(second, ARM_SEE, site=locked.site_id)
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
        raise locking.refused(locked, steps.RANDOMIZE)
    standing.require_open(locked, event=locked.protocol_version.definition.parts.randomization.code)
    signed = eligibility.require_signed(locked)
    frozen = facts.strata(locked)
    if strata is not None and dict(strata) != frozen:
        raise StrataDiffer
    if signed.document["strata"] != frozen:
        raise StrataNotSigned(participant=locked.code)
    operated = facts.driving(locked, "surgery").get()
    surgery_on = keyfacts.day(operated)
    # As of the true day, which may be another than the one signed for, and over whatever came to be recorded since.
    eligibility.require_eligible(facts.judge(locked, surgery_on))
    if clock.local_date(signed.signature.signed_at, locked.site.timezone) > surgery_on:
        surgery.require_signed(locked, operated)
    # An envelope was opened in its own time, whatever is paused by now.
    if on is None:
        require_active(locked.site)
        order.require_not_forgone(locked)
    order.require_treatment(locked)
    day = on or clock.today(locked.site.timezone)
    order.require_randomization_day(locked, surgery_on, day)
    recheck.require(locked, surgery_on, day)
    if on is not None and schedule.is_forgone(locked):
        schedule.reopen_randomization(actor, locked, _("An envelope had been opened before."))
    outcome = allocate(
        actor=actor,
        participant=locked,
        site=locked.site,
        strata=frozen,
        eligibility_hash=signed.signature.content_hash,
        idempotency_key=idempotency_key,
    )
    locking.move(actor, locked, steps.RANDOMIZE)
    definition = locked.protocol_version.definition
    dates = schedule.anchors(actor, locked, outcome)
    schedule.date_what_waits(actor, locked, dates, _("The participant was randomized."))
    visits.schedule(
        actor=actor,
        participant=locked,
        anchors=dates,
        visits=schedule.begun_by_randomization(definition, outcome.arm),
    )
    schedule.attend(actor, locked, definition.parts.randomization.code, on=day, allocated=True)
    notices.announce_allocation(actor=actor, participant=locked, outcome=outcome)
    enqueue_on_commit(send_due)
    return outcome
