"""Screening: failures and transfers. The only writes; called by enrollment."""

from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core.errors import Invalid
from trialsite.participants.errors import AlreadyThere, FailureDiffers
from trialsite.participants.models import Participant, ScreenFailure, Transfer
from trialsite.sites.models import Site
from trialsite.staff.access import require, require_everywhere
from trialsite.staff.capabilities import PARTICIPANT_TRANSFER, RECORD_EDIT
from trialsite.staff.models import User


def record_failure(
    *, actor: User, participant: Participant, reason: str, criteria: Sequence[str], note: str
) -> ScreenFailure:
    """Keep why the screening ended; the same again gives the record that stands. Raises Invalid, FailureDiffers."""
    if reason not in ScreenFailure.Reason.values:
        raise Invalid(fields={"reason": [_("Give a reason of the list.")]})
    if len(note) > 500 or not note.isprintable():
        raise Invalid(fields={"note": [_("Give at most 500 printable characters.")]})
    with acting(actor):
        require(actor, RECORD_EDIT, site=participant.site_id)
        known = ScreenFailure.objects.filter(participant=participant).first()
        if known:
            if (known.reason, known.note) != (reason, note.strip()):
                raise FailureDiffers(participant=participant.code)
            return known
        if reason == ScreenFailure.Reason.CRITERIA and not criteria:
            sentence = _("No criterion fails by what is recorded. Record it, or choose another reason.")
            raise Invalid(fields={"reason": [sentence]})
        return ScreenFailure.objects.create(
            participant=participant,
            site_id=participant.site_id,
            reason=reason,
            criteria=list(criteria),
            note=note.strip(),
            recorded_by=actor,
        )


def transfer(*, actor: User, participant: Participant, to: Site, reason: str) -> Participant:
    """Move a participant with every row to another hospital; code, arm and stratum stay, randomization's rows too.

    From then on the new hospital sees the participant and the old one does not. The database moves the rows and
    asks for the capability itself; nothing else can. The trail of before stays with the hospital where it arose.
    """
    if not reason.strip() or len(reason) > 300 or not reason.isprintable():
        raise Invalid(fields={"reason": [_("Give a reason of at most 300 printable characters.")]})
    with acting(actor, reason=reason):
        require_everywhere(actor, PARTICIPANT_TRANSFER)
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
