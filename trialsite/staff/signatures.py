"""Electronic signatures: one mechanism for all rooms (21 CFR 11.50, 11.70, 11.200)."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import check_password
from django.db import models
from django.utils.translation import gettext as _

from trialsite.audit.context import acting, present_origin
from trialsite.audit.notes import note_refusal
from trialsite.core import clock
from trialsite.staff import limits, second_factor
from trialsite.staff.errors import CodeNeeded, TooManyAttempts, WrongCode, WrongPassword
from trialsite.staff.models import Signature, SignedVersion, User


def canonical_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of `content` as JSON with sorted keys, no blanks, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def confirm(
    *, actor: User, password: str, code: str = "", site: int | None = None, participant: int | None = None
) -> None:
    """Raise WrongPassword unless `password` is the actor's own, read anew from the database.

    The first signature of a session also asks for a `code` of the second factor: see `second_factor`. A refusal stands
    in the trail, at the hospital `site` and with the participant where there is one (21 CFR 11.300(d)).
    """
    try:
        _confirm(actor=actor, password=password, code=code)
    except (WrongPassword, WrongCode, TooManyAttempts) as refusal:
        note_refusal(
            actor=actor,
            action="signature_refused",
            about="staff_signature",
            site=site,
            participant=participant,
            details={"why": refusal.code},
        )
        raise


def _confirm(*, actor: User, password: str, code: str) -> None:
    limits.allow("signature", f"{actor.pk}:{present_origin().session}")
    stored = User.objects.values_list("password", flat=True).get(pk=actor.pk, is_active=True)
    if not check_password(password, stored):
        raise WrongPassword
    second_factor.confirm_for_signature(actor=actor, code=code)
    limits.clear("signature", f"{actor.pk}:{present_origin().session}")


def sign(
    *,
    actor: User,
    password: str,
    code: str = "",
    meaning: str,
    content: Mapping[str, Any],
    covers: Iterable[tuple[str, int, int]],
    site: models.Model,
    participant: int | None = None,
    reveals_arm: bool = False,
) -> Signature:
    """Sign `content` as `actor`, who enters the password again.

    With `reveals_arm` it is hidden from who may not see arms: what it covers, or why it fell, would tell.

    `covers` lists (kind, record id, version) of every record that the content rests on; `participant`: whose they are.
    Rows that are made after it, and name it, are bound by `cover`.
    Raises WrongPassword, CodeNeeded, WrongCode, TooManyAttempts; then nothing is stored.
    """
    confirm(actor=actor, password=password, code=code, site=site.pk, participant=participant)
    with acting(actor):
        signature = Signature.objects.create(
            signer=actor,
            printed_name=actor.full_name,
            meaning=meaning,
            signed_at=clock.now(),
            content_hash=canonical_hash(content),
            site_id=site.pk,
            reveals_arm=reveals_arm,
        )
        cover(signature=signature, covers=covers)
        return signature


def sign_as_second(**given: Any) -> Signature:
    """`sign` of the second of two persons: a refusal names the second's field, lest the first look for the mistake."""
    try:
        return sign(**given)
    except (WrongPassword, WrongCode, CodeNeeded) as refusal:
        field = "second_password" if isinstance(refusal, WrongPassword) else "second_code"
        raise type(refusal)(fields={field: [str(refusal)]}) from refusal


def cover(*, signature: Signature, covers: Iterable[tuple[str, int, int]]) -> None:
    """Bind a signature to (kind, record id, version), within the transaction that made both: of rows that name it."""
    SignedVersion.objects.bulk_create(
        SignedVersion(
            signature=signature,
            site_id=signature.site_id,
            kind=kind,
            record_id=record_id,
            version=version,
            reveals_arm=signature.reveals_arm,
        )
        for kind, record_id, version in covers
    )


def manifest(signature: Signature, *, zone: str) -> list[tuple[str, str]]:
    """(label, value) lines that show a signature wherever it is shown: on screen, on paper, in exports.

    Printed name, meaning, time in UTC and on the wall clock of `zone`, the hash, and whether it still stands.
    Source: 21 CFR 11.50.
    """
    lines = [
        (_("Signed by"), signature.printed_name),
        (_("Meaning"), signature.meaning),
        (_("Time"), f"{_moment(signature.signed_at, 'UTC')} · {_moment(signature.signed_at, zone)}"),
        (_("Hash of the content"), signature.content_hash),
    ]
    if signature.fallen_at is None:
        return [*lines, (_("State"), _("standing"))]
    fallen = f"{_('fallen')}, {_moment(signature.fallen_at, 'UTC')}: {signature.fallen_reason}"
    return [*lines, (_("State"), fallen)]


def _moment(at: dt.datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"


def fall(*, covers: Sequence[tuple[str, int]], reason: str) -> int:
    """End the standing signatures that cover one of these (kind, record id); returns how many fell.

    Called in the transaction that changes the record, so that a signature never stands over other content.
    """
    touched = models.Q(pk__in=[])
    for kind, record_id in covers:
        touched |= models.Q(covered__kind=kind, covered__record_id=record_id)
    ids = Signature.objects.standing().filter(touched).values_list("pk", flat=True)
    return let_fall(signatures=ids, reason=reason)


def let_fall(*, signatures: Iterable[int], reason: str) -> int:
    """End these signatures, by primary key, where they stand; returns how many fell."""
    standing = Signature.objects.standing().filter(pk__in=list(signatures))
    return standing.update(fallen_at=clock.now(), fallen_reason=reason[:300])
