"""Participants: the only writes."""

import datetime as dt
from typing import Final

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.participants import rules
from trialsite.participants.errors import ConsentDiffers, StepNotPossible
from trialsite.participants.models import Consent, Contact, Participant
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import CONSENT_RECORD, CONTACT_EDIT, PARTICIPANT_REGISTER
from trialsite.staff.models import User

_LANGUAGES: Final = ("en", "zh-hans")


def register(
    *, actor: User, site: Site, protocol_version: ProtocolVersion, registration_key: str
) -> Participant:
    """A new participant with the next code of `site`; the same key gives the same participant."""
    with acting(actor):
        require(actor, PARTICIPANT_REGISTER, site=site)
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        here = Participant.objects.filter(site=site)
        known = here.filter(registration_key=registration_key).with_protocol().first()
        if known:
            return known
        return Participant.objects.create(
            code=rules.code(site.number, here.count() + 1),
            site=site,
            protocol_version=protocol_version,
            registration_key=registration_key,
            registered_by=actor,
        )


def move(*, actor: User, participant: Participant, to: str, reason: str = "") -> Participant:
    """Change the status along the table; called by enrollment alone, which decides when."""
    with acting(actor, reason=reason):
        locked = Participant.objects.lock(participant.pk)
        if not rules.may_become(locked.status, to):
            raise StepNotPossible(
                participant=locked.code,
                status=locked.get_status_display(),
                wanted=Participant.Status(to).label,
            )
        locked.status = to
        locked.save(update_fields=["status"])
        participant.status = to
        return locked


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


def set_contact(
    *,
    actor: User,
    participant: Participant,
    name: str,
    phone: str,
    email: str,
    language: str,
    opted_out: bool = False,
) -> Contact:
    """Write the contact details; the trail says that they changed, never what they are."""
    if language not in _LANGUAGES:
        raise Invalid(fields={"language": ["Give en or zh-hans."]})
    with acting(actor):
        require(actor, CONTACT_EDIT, site=participant.site_id)
        values = {"name": name, "phone": phone, "email": email, "language": language, "opted_out": opted_out}
        contact, _ = Contact.objects.update_or_create(
            participant=participant,
            defaults=values,
            create_defaults=values | {"site_id": participant.site_id},
        )
        return contact
