"""The screening log: who was assessed, when, and why a screening ended. Reads only."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Min

from trialsite.participants.models import Identity, ParticipantQuerySet
from trialsite.participants.models.participants import Participant

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


def same_persons(actor: "Actor") -> dict[int, set[int]]:
    """{id of a participant: ids of all at the same hospital who are this person by the identity check}, in one query.

    Each set holds the participant too; whoever is recognised nowhere else is left out. Of two hospitals only whoever
    reviews identities learns.
    """
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    rows = Identity.objects.visible_to(actor).exclude(digests=[])
    for participant, site, digests in rows.values_list("participant_id", "site_id", "digests"):
        for digest in digests:
            found[site, digest].add(participant)
    same: dict[int, set[int]] = defaultdict(set)
    for together in found.values():
        for participant in together if len(together) > 1 else ():
            same[participant] |= together
    return dict(same)


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


@dataclass(frozen=True)
class Line:
    """One attempt, and the codes of those registered apart from it who are the same person at this hospital."""

    attempt: Participant
    same_person: list[str]


def lines(actor: "Actor", *, site: str = "") -> list[Line]:
    """The log, each attempt with whom the identity check finds to be the same person; in two queries."""
    attempts, same = list(log(actor, site=site)), same_persons(actor)
    codes = {one.pk: one.code for one in attempts}
    # Attempts that are linked already need not be told.
    first: dict[int, int] = {}
    for one in sorted(attempts, key=lambda one: one.attempt):
        first[one.pk] = first.get(one.previous_id or 0, one.pk)
    return [
        Line(
            one,
            [
                codes[other]
                for other in sorted(same.get(one.pk, ()))
                if other in codes and first[other] != first[one.pk]
            ],
        )
        for one in attempts
    ]
