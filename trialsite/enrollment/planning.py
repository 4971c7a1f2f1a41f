"""The planned day of the surgery: T0, from which validity windows count back until the surgery has taken place."""

import datetime as dt

from django.utils.translation import gettext as _

from eligibility import services as eligibility
from eligibility.models import SignedVerdict
from trialsite.audit.context import acting
from trialsite.casebook import following
from trialsite.core.errors import Invalid
from trialsite.enrollment import locking, order, steps
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.staff.models import User


def plan_surgery(
    *, actor: User, participant: Participant, surgery_on: dt.date, reason: str = ""
) -> Participant:
    """Keep for which day the surgery is planned, as often as it moves; a day that was given moves for a `reason` only.

    Raises StepRefused, BeforeConsent, Invalid naming `reason`.
    A signature on eligibility that was given for another day falls: the values may be too old on the new one.
    """
    with acting(actor, reason=reason.strip()):
        locked = locking.lock(actor, participant, steps.PLAN_SURGERY)
        order.require_after_consent(locked, surgery_on)
        move(actor, locked, surgery_on, reason)
        return locked


def move(actor: User, locked: Participant, surgery_on: dt.date, reason: str) -> None:
    """Keep the day for a participant under lock: whoever signs for a day plans the surgery for it. Raises Invalid."""
    if locked.planned_surgery_on not in (None, surgery_on) and not reason.strip():
        raise Invalid(
            fields={
                "reason": [
                    _("The surgery was planned for {day}: say why it moves.").format(
                        day=locked.planned_surgery_on
                    )
                ]
            }
        )
    signed = SignedVerdict.objects.standing(locked)
    if signed and signed.surgery_on != surgery_on:
        eligibility.let_fall(participant=locked, reason=_("surgery planned for {day}").format(day=surgery_on))
    participants.plan_surgery(actor=actor, participant=locked, on=surgery_on)
    following.follow_planned_day(locked)
