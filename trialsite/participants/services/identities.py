"""Who a participant is, as a blind index: entered, corrected, or said to be not available. The only writes."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.audit.context import acting
from trialsite.core.errors import Invalid
from trialsite.participants import rules, vault
from trialsite.participants.errors import IdentityDiffers, IdentityKnown, IdentityMissing, KnownHere
from trialsite.participants.models import Identity, Participant
from trialsite.protocol.parts import IDENTITY_SETTING
from trialsite.staff.access import require
from trialsite.staff.capabilities import PARTICIPANT_REGISTER
from trialsite.staff.models import User

_CARD_FAULTS: Final = {
    "shape": gettext_lazy(
        "Give the last four signs of the identity card's number, or the whole number of 18 signs."
    ),
    "birth": gettext_lazy("This number holds another date of birth."),
    "check": gettext_lazy(
        "The last sign does not fit the others: one is mistyped. If the card says so, give the last four signs alone."
    ),
}


def record_identity(
    *,
    actor: User,
    participant: Participant,
    name: str,
    birth_date: dt.date,
    last_digits: str,
    reason: str = "",
) -> list[Participant]:
    """Keep the person's blind index; returns the other participants of this hospital who are the same person.

    Of another hospital's the actor learns nothing: there the database tells the trial managers alone. `last_digits`
    are the last four signs of the identity card, or its whole number, of which the last four are used. Where another
    person was entered before, `reason` says why that was a mistake; without it IdentityDiffers is raised.
    """
    digests = _digests(name, birth_date, last_digits)
    with acting(actor, reason=reason.strip()):
        require(actor, PARTICIPANT_REGISTER, site=participant.site_id)
        locked = Participant.objects.lock(participant.pk)
        known = Identity.objects.filter(participant=locked).first()
        if known is None:
            Identity.objects.create(participant=locked, site_id=locked.site_id, digests=digests)
        elif not set(known.digests) & set(digests):
            if known.digests and not reason.strip():
                raise IdentityDiffers(participant=locked.code)
            known.digests, known.unavailable = digests, ""
            known.save(update_fields=["digests", "unavailable"])
        return _same(locked, digests)


def register_identity(
    *, actor: User, participant: Participant, name: str, birth_date: dt.date, last_digits: str
) -> None:
    """The same for someone who is being registered: raises KnownHere for a person of this hospital.

    An earlier attempt is followed by screening anew, so that the person is counted once.
    """
    same = record_identity(
        actor=actor, participant=participant, name=name, birth_date=birth_date, last_digits=last_digits
    )
    if same:
        raise KnownHere(codes=", ".join(one.code for one in same))


def identity_not_available(*, actor: User, participant: Participant, reason: str) -> None:
    """Keep why nobody can say who the participant is. Raises IdentityKnown where somebody has."""
    if not reason.strip() or len(reason) > 300 or not rules.printable(reason):
        raise Invalid(fields={"unavailable": [_("Give a reason of at most 300 printable characters.")]})
    with acting(actor, reason=reason.strip()):
        require(actor, PARTICIPANT_REGISTER, site=participant.site_id)
        locked = Participant.objects.lock(participant.pk)
        known = Identity.objects.filter(participant=locked).first()
        if known and known.digests:
            raise IdentityKnown(participant=locked.code)
        if known is None:
            known = Identity(participant=locked, site_id=locked.site_id, digests=[])
        known.unavailable = reason.strip()
        known.save()


def follow_identity(*, participant: Participant, previous: Participant) -> None:
    """Whoever is screened anew is the person of the attempt before; called while registering."""
    known = Identity.objects.filter(participant=previous).exclude(digests=[]).first()
    if known:
        Identity.objects.create(participant=participant, site_id=participant.site_id, digests=known.digests)


def require_identity(participant: Participant) -> None:
    """Raise IdentityMissing where the protocol asks who it is before signing (`identity_before_signing`)."""
    asked = participant.protocol_version.definition.settings.get(IDENTITY_SETTING, False)
    if asked and not Identity.objects.filter(participant=participant).exists():
        raise IdentityMissing(participant=participant.code)


def _digests(name: str, birth_date: dt.date, last_digits: str) -> Sequence[str]:
    faults: dict[str, list[str]] = {}
    if not vault.normal("name", name) or not rules.printable(name) or len(name) > 120:
        faults["name"] = [_("Give the name as on the identity card.")]
    number = rules.card_number(last_digits)
    if fault := rules.card_fault(number, birth_date):
        faults["last_digits"] = [str(_CARD_FAULTS[fault])]
    if faults:
        raise Invalid(fields=faults)
    text = f"{vault.normal('name', name)}|{birth_date.isoformat()}|{number[-4:]}"
    return list(vault.digests("person", text))


def _same(participant: Participant, digests: Sequence[str]) -> list[Participant]:
    same = Identity.objects.filter(site_id=participant.site_id, digests__overlap=list(digests))
    return list(Participant.objects.filter(identity__in=same).exclude(pk=participant.pk).order_by("code"))
