"""Consent: the only writes."""

import datetime as dt

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.participants.errors import ConsentDiffers
from trialsite.participants.models import Consent, Participant
from trialsite.staff.access import require
from trialsite.staff.capabilities import CONSENT_RECORD
from trialsite.staff.models import User


def record_consent(
    *,
    actor: User,
    participant: Participant,
    form_version: str,
    patient_signed_at: dt.datetime,
    family_signed_at: dt.datetime | None,
    obtained_by: User,
) -> Consent:
    """Record a consent; the same content again gives the same row, other content is refused."""
    times = {"patient_signed_at": patient_signed_at, "family_signed_at": family_signed_at}
    late = {name: ["This time lies in the future."] for name, at in times.items() if at and at > clock.now()}
    if late:
        raise Invalid(fields=late)
    with acting(actor):
        require(actor, CONSENT_RECORD, site=participant.site_id)
        known = Consent.objects.filter(participant=participant, form_version=form_version).first()
        if known is None:
            return Consent.objects.create(
                participant=participant,
                site_id=participant.site_id,
                protocol_version_id=participant.protocol_version_id,
                form_version=form_version,
                obtained_by=obtained_by,
                **times,
            )
        if (known.patient_signed_at, known.family_signed_at) != (patient_signed_at, family_signed_at):
            raise ConsentDiffers(participant=participant.code, version=form_version)
        return known
