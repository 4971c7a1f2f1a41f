"""Screening: failures, the same person again, transfers. The only writes; called by enrollment."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core.errors import Invalid
from trialsite.participants import rules, vault
from trialsite.participants.errors import AlreadyThere, IdentityDiffers
from trialsite.participants.models import Identity, Participant, ScreenFailure, Transfer
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import PARTICIPANT_REGISTER, PARTICIPANT_TRANSFER, RECORD_EDIT
from trialsite.staff.models import User


def record_failure(
    *, actor: User, participant: Participant, reason: str, criteria: Sequence[str], note: str
) -> ScreenFailure:
    """Keep why the screening ended; the first record stands."""
    if reason not in ScreenFailure.Reason.values:
        raise Invalid(fields={"reason": [_("Give a reason of the list.")]})
    if reason == ScreenFailure.Reason.CRITERIA and not criteria:
        raise Invalid(
            fields={
                "reason": [_("No criterion fails by what is recorded. Record it, or choose another reason.")]
            }
        )
    if len(note) > 500 or not note.isprintable():
        raise Invalid(fields={"note": [_("Give at most 500 printable characters.")]})
    with acting(actor):
        require(actor, RECORD_EDIT, site=participant.site_id)
        known = ScreenFailure.objects.filter(participant=participant).first()
        return known or ScreenFailure.objects.create(
            participant=participant,
            site_id=participant.site_id,
            reason=reason,
            criteria=list(criteria),
            note=note.strip(),
            recorded_by=actor,
        )


def record_identity(
    *, actor: User, participant: Participant, name: str, birth_date: dt.date, last_digits: str
) -> list[Participant]:
    """Keep the person's blind index; returns the earlier participants of this hospital who are the same person.

    Of another hospital's the actor learns nothing: there the database tells the trial managers alone. `last_digits`
    are the last four of the identity card. Raises IdentityDiffers where another person was entered before.
    """
    faults: dict[str, list[str]] = {}
    if not vault.normal("name", name) or not rules.printable(name) or len(name) > 120:
        faults["name"] = [_("Give the name as on the identity card.")]
    if not (len(last_digits) == 4 and last_digits.isascii() and last_digits.isalnum()):
        faults["last_digits"] = [_("Give the last four signs of the identity card's number.")]
    if faults:
        raise Invalid(fields=faults)
    digests = vault.digests("person", f"{vault.normal('name', name)}|{birth_date.isoformat()}|{last_digits}")
    with acting(actor):
        require(actor, PARTICIPANT_REGISTER, site=participant.site_id)
        known = Identity.objects.filter(participant=participant).first()
        if known and not set(known.digests) & set(digests):
            raise IdentityDiffers(participant=participant.code)
        if known is None:
            Identity.objects.create(
                participant=participant, site_id=participant.site_id, digests=list(digests)
            )
        same = Identity.objects.filter(site_id=participant.site_id, digests__overlap=list(digests))
        earlier = Participant.objects.filter(identity__in=same).exclude(pk=participant.pk)
        return list(earlier.order_by("pk"))


def transfer(*, actor: User, participant: Participant, to: Site, reason: str) -> Participant:
    """Move a participant with every row to another hospital; code, arm and stratum stay, randomization's rows too.

    From then on the new hospital sees the participant and the old one does not. The database moves the rows and
    asks for the capability itself; nothing else can. The trail of before stays with the hospital where it arose.
    """
    if not reason.strip() or len(reason) > 300 or not reason.isprintable():
        raise Invalid(fields={"reason": [_("Give a reason of at most 300 printable characters.")]})
    with acting(actor, reason=reason):
        require(actor, PARTICIPANT_TRANSFER)
        locked = Participant.objects.lock(participant.pk)
        if locked.site_id == to.pk:
            raise AlreadyThere(participant=locked.code, site=to.name)
        if to.state != Site.State.ACTIVE:
            raise Invalid(fields={"site": [_("This hospital is not active.")]})
        Transfer.objects.create(
            participant=locked,
            site_id=to.pk,
            from_site_id=locked.site_id,
            to_site_id=to.pk,
            reason=reason.strip(),
            made_by=actor,
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT edc_transfer(%s, %s)", [locked.pk, to.pk])
        return Participant.objects.with_protocol().get(pk=locked.pk)
