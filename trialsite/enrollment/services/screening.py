"""Screening: the verdict, its signature, screen failure and another attempt."""

import datetime as dt

from django.utils.translation import gettext as _

from eligibility import rules as eligibility_rules
from eligibility import services as eligibility
from eligibility.models import SignedVerdict
from trialsite.audit.context import acting
from trialsite.casebook import standing
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.enrollment import facts, locking, order, planning, steps, surgery
from trialsite.enrollment.errors import NotToBeRescreened
from trialsite.participants import services as participants
from trialsite.participants.models import Participant, ScreenFailure
from trialsite.sites.services import require_active, version_in_force
from trialsite.staff.access import require
from trialsite.staff.capabilities import PARTICIPANT_REGISTER
from trialsite.staff.models import User


def verdict(*, participant: Participant, surgery_on: dt.date | None = None) -> eligibility_rules.Verdict:
    """The present verdict, computed over what is recorded, as of `surgery_on`, else of `facts.reference_day`."""
    return facts.judge(participant, surgery_on or facts.reference_day(participant))


def sign_eligibility(
    *,
    actor: User,
    participant: Participant,
    password: str,
    surgery_on: dt.date,
    code: str = "",
    reason: str = "",
) -> SignedVerdict:
    """An investigator signs that every criterion of the participant's protocol version is satisfied as of the surgery.

    `code` is of the second factor, which the first signature of a session asks for. Signing for another day than the
    planned one moves that day, which needs a `reason`, and an older signature falls. Signing anew after the surgery
    needs one too and is a protocol deviation; it makes up for no signature that stood at the surgery.
    """
    with acting(actor, reason=reason):
        locked = locking.lock(actor, participant, steps.SIGN)
        order.require_treatment(locked)
        found = facts.judge(locked, surgery_on)
        # Before anything is asked for: what cannot be signed needs no reason.
        eligibility.require_eligible(found)
        if locked.status == "operated":
            _require_true_surgery(locked, surgery_on)
            if not reason.strip():
                raise Invalid(fields={"reason": [_("Say why it is signed after the surgery.")]})
        else:
            planning.move(actor, locked, surgery_on, reason)
        signed = eligibility.sign(
            actor=actor,
            participant=locked,
            password=password,
            code=code,
            verdict=found,
            surgery_on=surgery_on,
            strata=facts.strata(locked, complete=False),
            covers=facts.covered(locked),
        )
        if locked.status == "operated":
            signed_on = clock.local_date(signed.signature.signed_at, locked.site.timezone)
            # What was signed before and still stands is no late signature.
            if signed_on > surgery_on:
                surgery.note_late_signature(actor, locked, signed_on, reason.strip())
        if locked.status == "consented":
            locking.move(actor, locked, steps.SIGN)
        return signed


def _require_true_surgery(participant: Participant, surgery_on: dt.date) -> None:
    recorded = facts.surgery_on(participant)
    if surgery_on != recorded:
        sentence = _("The surgery took place on {day}; sign for that day.").format(day=recorded)
        raise Invalid(fields={"surgery_on": [sentence]})


def fail_screening(*, actor: User, participant: Participant, reason: str, note: str = "") -> Participant:
    """End the screening of someone who will not take part, for a `reason` of `ScreenFailure.Reason`.

    The criteria that fail by what is recorded at that time are kept along, whatever the reason. Values that grow old
    count from the surgery: without a day for it none of them fails.
    """
    with acting(actor, reason=note.strip() or reason):
        locked = locking.lock(actor, participant, steps.FAIL, repeat_at="screen_failed")
        t0 = facts.reference_day(locked)
        failing = facts.judge(locked, t0).failing() if locked.status != "registered" else []
        anew = locked.status != "screen_failed"
        if anew and reason == ScreenFailure.Reason.CRITERIA and not failing and t0 is None:
            sentence = _("No criterion fails as long as no day of surgery is planned: values count from it.")
            raise Invalid(fields={"reason": [sentence]})
        participants.record_failure(
            actor=actor, participant=locked, reason=reason, criteria=failing, note=note
        )
        return locking.move(actor, locked, steps.FAIL, reason=reason)


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
        standing.require_all_open()
        return participants.register(
            actor=actor,
            site=locked.site,
            protocol_version=version_in_force(locked.site),
            registration_key=registration_key,
            previous=locked,
        )
