"""Registration and the status of a participant."""

import datetime as dt

from django.db import IntegrityError, connection, transaction

from trialsite.audit.context import acting
from trialsite.participants import rules
from trialsite.participants.errors import RegistrationKeyReused, RegistrationMoved, StepNotPossible
from trialsite.participants.models import Participant
from trialsite.participants.services.identities import follow_identity
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import PARTICIPANT_REGISTER, RECORD_EDIT
from trialsite.staff.models import User


def register(
    *,
    actor: User,
    site: Site,
    protocol_version: ProtocolVersion,
    registration_key: str,
    previous: Participant | None = None,
) -> Participant:
    """A new participant with the next code of `site`; the same key gives the same participant.

    Raises RegistrationKeyReused where the key belongs to a registration after another attempt, or after none,
    RegistrationMoved where its participant has moved to another hospital.
    `previous` is the failed attempt of the same person, whose blind index the new attempt takes over. Codes count
    over everyone who was ever registered at the hospital, those who have moved to another one included.
    """
    with acting(actor):
        require(actor, PARTICIPANT_REGISTER, site=site)
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        here = Participant.objects.filter(code__startswith=f"{site.number}-")
        known = here.filter(registration_key=registration_key).with_protocol().first()
        if known:
            if known.previous_id != (previous.pk if previous else None):
                raise RegistrationKeyReused(participant=known.code)
            return known
        try:
            with transaction.atomic():
                made = Participant.objects.create(
                    code=rules.code(site.number, _next_number(site)),
                    site=site,
                    protocol_version=protocol_version,
                    previous=previous,
                    attempt=previous.attempt + 1 if previous else 1,
                    registration_key=registration_key,
                    registered_by=actor,
                )
        except IntegrityError as error:
            # This hospital does not see who has moved.
            if "participant_registered_once" in str(error):
                raise RegistrationMoved from error
            raise
        if previous:
            follow_identity(participant=made, previous=previous)
        return made


def _next_number(site: Site) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT edc_next_number(%s)", [site.number])
        (number,) = cursor.fetchone()
    return int(number)


def plan_surgery(*, actor: User, participant: Participant, on: dt.date) -> None:
    """Keep the day for which the surgery is planned; called by enrollment alone, which holds the lock."""
    with acting(actor):
        require(actor, RECORD_EDIT, site=participant.site_id)
        if participant.planned_surgery_on != on:
            participant.planned_surgery_on = on
            participant.save(update_fields=["planned_surgery_on"])


def move(*, actor: User, participant: Participant, to: str, reason: str = "") -> Participant:
    """Change the status along the table; called by enrollment alone, which decides when."""
    with acting(actor, reason=reason):
        came_from = [status for status in rules.TRANSITIONS if rules.may_become(status, to)]
        # One statement that locks, asks and writes: enrollment holds the lock already.
        if not Participant.objects.filter(pk=participant.pk, status__in=came_from).update(status=to):
            locked = Participant.objects.lock(participant.pk)
            raise StepNotPossible(
                participant=locked.code,
                status=locked.get_status_display(),
                wanted=Participant.Status(to).label,
            )
        participant.status = to
        return participant
