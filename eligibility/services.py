"""Judging with the protocol's compiled criteria, and keeping what was signed."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from eligibility import rules
from eligibility.errors import NotEligible, NotSigned, Undecided
from eligibility.models import SignedVerdict
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.staff import signatures
from trialsite.staff.access import require
from trialsite.staff.capabilities import ELIGIBILITY_SIGN
from trialsite.staff.models import User


def require_eligible(verdict: rules.Verdict) -> None:
    """Raise NotEligible or Undecided, naming the criteria, unless every criterion is satisfied."""
    if verdict.eligible is False:
        raise NotEligible(criteria=", ".join(verdict.failing()))
    if verdict.eligible is None:
        raise Undecided(criteria=", ".join(verdict.unknown()))


def sign(
    *,
    actor: User,
    participant: Participant,
    password: str,
    code: str = "",
    verdict: rules.Verdict,
    surgery_on: dt.date,
    strata: Mapping[str, str],
    covers: Sequence[tuple[str, int, int]],
) -> SignedVerdict:
    """Sign an eligible verdict with the password entered again; it falls when a covered record changes.

    `strata` are the stratification values as far as they are recorded: only what is signed is randomized under.
    Raises NotEligible, Undecided, IdentityMissing, WrongPassword; then nothing is stored. Signing the same
    content again while the signature stands gives the same row.
    """
    require_eligible(verdict)
    content = _content(participant, verdict.document(), surgery_on, strata)
    with acting(actor):
        require(actor, ELIGIBILITY_SIGN, site=participant.site_id)
        participants.require_identity(participant)
        standing = SignedVerdict.objects.standing(participant)
        if standing and standing.signature.content_hash == signatures.canonical_hash(content):
            signatures.confirm(
                actor=actor,
                password=password,
                code=code,
                site=participant.site_id,
                participant=participant.pk,
            )
            return standing
        signature = signatures.sign(
            actor=actor,
            password=password,
            code=code,
            meaning=_("I have checked the criteria; this participant is eligible."),
            content=content,
            covers=covers,
            site=participant.site,
            participant=participant.pk,
        )
        return SignedVerdict.objects.create(
            participant=participant,
            site_id=participant.site_id,
            protocol_version_id=participant.protocol_version_id,
            surgery_on=surgery_on,
            eligible=True,
            document=content,
            signature=signature,
        )


def require_signed(participant: Participant) -> SignedVerdict:
    """The standing signed verdict; raises NotSigned where none stands."""
    standing = SignedVerdict.objects.standing(participant)
    if standing is None:
        raise NotSigned(participant=participant.code)
    return standing


def last_signed(participant: Participant) -> SignedVerdict:
    """The standing signed verdict, else the newest that fell; raises NotSigned where there was never one."""
    signed = SignedVerdict.objects.filter(participant=participant).select_related("signature").order_by("id")
    newest = SignedVerdict.objects.standing(participant) or signed.last()
    if newest is None:
        raise NotSigned(participant=participant.code)
    return newest


def stood_at_surgery(
    participant: Participant, *, on: dt.date, recorded_at: dt.datetime
) -> SignedVerdict | None:
    """The newest signed verdict that stood at a surgery of that local date, recorded then.

    It was given by that day, and fell after it, or after the surgery was recorded, or never.
    """
    return standing_then(_signed(participant), zone=participant.site.timezone, on=on, recorded_at=recorded_at)


def standing_then(
    verdicts: Iterable[SignedVerdict], *, zone: str, on: dt.date, recorded_at: dt.datetime
) -> SignedVerdict | None:
    """The first of `verdicts` that stood at a surgery of the local date `on`, recorded then."""
    for one in verdicts:
        fallen = one.signature.fallen_at
        stands = fallen is None or fallen > recorded_at or clock.local_date(fallen, zone) > on
        if stands and clock.local_date(one.signature.signed_at, zone) <= on:
            return one
    return None


def signed_by(participant: Participant, on: dt.date) -> SignedVerdict | None:
    """The newest verdict signed by that local date, whether it still stands or not."""
    zone = participant.site.timezone
    by_then = (one for one in _signed(participant) if clock.local_date(one.signature.signed_at, zone) <= on)
    return next(by_then, None)


def _signed(participant: Participant) -> QuerySet[SignedVerdict]:
    """The participant's signed verdicts with their version, the newest first."""
    rows = SignedVerdict.objects.filter(participant=participant).order_by("-id")
    return rows.select_related("signature", "protocol_version").defer("protocol_version__document")


def let_fall(*, participant: Participant, reason: str) -> int:
    """End the participant's standing signatures on eligibility; returns how many fell."""
    standing = SignedVerdict.objects.filter(participant=participant, signature__fallen_at=None)
    return signatures.let_fall(signatures=standing.values_list("signature_id", flat=True), reason=reason)


def _content(
    participant: Participant, document: Mapping[str, Any], surgery_on: dt.date, strata: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "participant": participant.code,
        "protocol_version": participant.protocol_version_id,
        "surgery_on": surgery_on.isoformat(),
        "strata": dict(strata),
        **document,
    }
