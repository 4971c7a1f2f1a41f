"""Registration and consent: how a participant comes into the trial, and stays in it after an amendment."""

import datetime as dt

from django.utils.translation import gettext as _

from eligibility import services as eligibility
from trialsite.audit.context import acting
from trialsite.casebook import standing
from trialsite.enrollment import locking, schedule, steps
from trialsite.participants import services as participants
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.differences import between
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.sites.services import require_active, version_in_force
from trialsite.staff.access import require
from trialsite.staff.capabilities import PARTICIPANT_REGISTER
from trialsite.staff.models import User


def register(*, actor: User, site: Site, registration_key: str) -> Participant:
    """A new participant at `site` under the newest version activated there; the same key gives the same participant.

    Raises Locked under a freeze or lock over everything.
    """
    with acting(actor):
        require(actor, PARTICIPANT_REGISTER, site=site)
        require_active(site)
        if not Participant.objects.filter(site=site, registration_key=registration_key).exists():
            standing.require_all_open()
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
        locked = locking.lock(actor, participant, steps.CONSENT, repeat_at="consented")
        given = participants.record_consent(
            actor=actor,
            participant=locked,
            form_version=form_version,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            obtained_by=obtained_by,
        )
        participants.adopt(actor=actor, participant=locked, consent=given)
        locking.move(actor, locked, steps.CONSENT)
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
    eligibility that was given under the version before falls where eligibility is judged otherwise now.
    """
    with acting(actor):
        locked = locking.lock(actor, participant, steps.RECONSENT)
        given = participants.record_consent(
            actor=actor,
            participant=locked,
            form_version=form_version,
            patient_signed_at=patient_signed_at,
            family_signed_at=family_signed_at,
            obtained_by=obtained_by,
        )
        before = locked.protocol_version
        moved = participants.adopt(actor=actor, participant=locked, consent=given)
        if moved and _judged_otherwise(before, given.protocol_version):
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


def _judged_otherwise(before: ProtocolVersion, after: ProtocolVersion) -> bool:
    """Whether criteria, settings, or forms that screening collects differ."""
    definition = before.definition
    collected = {form for event in definition.parts.screening for form in definition.visit(event).forms}
    return any(
        one.part in ("criteria", "settings")
        or (one.part in ("forms", "items") and one.code.partition(".")[0] in collected)
        for one in between(before.document, after.document)
    )
