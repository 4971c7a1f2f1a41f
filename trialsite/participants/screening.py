"""The screening log: who was assessed, when, and why a screening ended. Reads only."""

from typing import TYPE_CHECKING

from django.db.models import Min

from trialsite.participants.models import ParticipantQuerySet
from trialsite.participants.models.participants import Participant

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


def log(actor: "Actor", *, site: str = "") -> ParticipantQuerySet:
    """Every attempt at the hospitals of `actor` (or at `site` alone), oldest first, in one query.

    With `consented_at`, and the failure and the attempt before along.
    """
    rows = Participant.objects.visible_to(actor).with_protocol()
    if site:
        rows = rows.filter(site__code=site)
    return (
        rows.select_related("screen_failure", "previous")
        .annotate(consented_at=Min("consents__patient_signed_at"))
        .order_by("site__number", "created_at", "pk")
    )
