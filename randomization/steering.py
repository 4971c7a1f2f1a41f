"""Pausing, resuming, closing and capping randomization; marking what was randomized in error. Each with a reason."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from django.utils.translation import gettext as _

from randomization.errors import (
    AlreadyMarked,
    BadCap,
    EnvelopeOutOfTurn,
    NoList,
    NoSuchEnvelope,
    NotAllocated,
    SecondPersonNeeded,
    StateNotReachable,
)
from randomization.models import Allocation, Correction, Scheme, Stratum, VoidEnvelope
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid, NotFound
from trialsite.participants.models import Participant
from trialsite.staff import signatures
from trialsite.staff.access import require, require_everywhere
from trialsite.staff.capabilities import ALLOCATION_MARK, SEQUENCE_MANAGE
from trialsite.staff.models import User
from trialsite.staff.services import require_reason

STATES: Final[Mapping[str, frozenset[str]]] = {
    "active": frozenset({"paused", "closed"}),
    "paused": frozenset({"active", "closed"}),
    "closed": frozenset(),
}
Steered = TypeVar("Steered", Scheme, Stratum)


def set_state(*, actor: User, scheme: Scheme, state: str, reason: str) -> Scheme:
    """Pause, resume or close randomization for the whole trial; the reason goes to the trail.

    For who manages the sequence of all hospitals. Raises Invalid naming `reason` where none is given, Forbidden,
    StateNotReachable.
    """
    return _set_state(actor, Scheme, scheme.pk, state, reason)


def set_stratum_state(*, actor: User, stratum: Stratum, state: str, reason: str) -> Stratum:
    """Pause, resume or close one stratum. A hospital is paused with `sites.services.set_state`."""
    return _set_state(actor, Stratum, stratum.pk, state, reason)


def set_cap(*, actor: User, scheme: Scheme, cap: int | None, reason: str) -> Scheme:
    """A cap below the protocol's total for the trial, or None for the protocol's alone."""
    with acting(actor, reason=reason):
        require_everywhere(actor, SEQUENCE_MANAGE)
        require_reason(reason)
        locked = Scheme.objects.select_for_update().get(pk=scheme.pk)
        _require_cap(cap, least=locked.position, most=locked.total_cap)
        locked.cap = cap
        locked.save(update_fields=["cap"])
        return locked


def set_stratum_cap(*, actor: User, stratum: Stratum, cap: int | None, reason: str) -> Stratum:
    """A cap for one stratum, or None for none but the list's length."""
    with acting(actor, reason=reason):
        require(actor, SEQUENCE_MANAGE, site=stratum.site_id)
        require_reason(reason)
        # In the order of locks that an allocation takes.
        Scheme.objects.select_for_update().get(pk=stratum.scheme_id)
        locked = Stratum.objects.select_for_update().get(pk=stratum.pk)
        _require_cap(cap, least=locked.used, most=locked.length)
        locked.cap = cap
        locked.save(update_fields=["cap"])
        return locked


def steer(*, actor: User, reason: str, stratum: str | None = None, **asked: Any) -> Scheme:
    """State and cap (either, or both) of the trial or of one stratum by its key, in one transaction.

    Raises Invalid where neither is asked for, NotFound for a stratum that the actor does not see, NoList where no list
    is installed.
    """
    with acting(actor, reason=reason):
        require(actor, SEQUENCE_MANAGE)
        if not asked:
            # An answer of success would say that something rests now.
            raise Invalid(fields={name: [_("Give a state or a cap.")] for name in ("state", "cap")})
        scheme = Scheme.objects.select_for_update().first()
        if scheme is None:
            raise NoList
        if stratum is None:
            if "state" in asked:
                set_state(actor=actor, scheme=scheme, state=asked["state"], reason=reason)
            if "cap" in asked:
                set_cap(actor=actor, scheme=scheme, cap=asked["cap"], reason=reason)
        else:
            found = Stratum.objects.filter(scheme=scheme, key=stratum).first()
            if found is None:
                raise NotFound
            if "state" in asked:
                set_stratum_state(actor=actor, stratum=found, state=asked["state"], reason=reason)
            if "cap" in asked:
                set_stratum_cap(actor=actor, stratum=found, cap=asked["cap"], reason=reason)
        scheme.refresh_from_db()
        return scheme


def void_envelope(
    *,
    actor: User,
    stratum: str,
    number: int,
    reason: str,
    password: str,
    second: User,
    second_password: str,
    code: str = "",
    second_code: str = "",
) -> VoidEnvelope:
    """Declare void the next envelope of a stratum: lost, spoilt, or opened for nobody of the trial.

    Those behind it can be entered then; its entry is never used, and takes no place under a cap. Signed by who steers
    the list there and by somebody who marks errors (trial manager, principal investigator). The same again gives the
    same row. Raises SecondPersonNeeded, NotFound, NoSuchEnvelope, EnvelopeOutOfTurn, WrongPassword.
    """
    if second.pk == actor.pk:
        raise SecondPersonNeeded(fields={"second": [SecondPersonNeeded.message]})
    with acting(actor, reason=reason):
        require(actor, SEQUENCE_MANAGE)
        require_reason(reason)
        # In the order of locks that an allocation takes.
        Scheme.objects.select_for_update().first()
        locked = Stratum.objects.select_for_update().filter(key=stratum).first()
        if locked is None:
            raise NotFound
        require(actor, SEQUENCE_MANAGE, site=locked.site_id)
        require(second, ALLOCATION_MARK, site=locked.site_id)
        known = VoidEnvelope.objects.filter(stratum=locked, index=number).first()
        if known:
            return known
        if locked.next_emergency > locked.emergency_length:
            raise NoSuchEnvelope
        if number != locked.next_emergency:
            raise EnvelopeOutOfTurn(number=locked.next_emergency)
        locked.next_emergency += 1
        locked.voided += 1
        locked.save(update_fields=["next_emergency", "voided"])
        made = VoidEnvelope.objects.create(
            stratum=locked,
            site_id=locked.site_id,
            index=number,
            reason=reason,
            declared_by=actor,
            confirmed_by=second,
        )
        for sign, signer, secret, shown in (
            (signatures.sign, actor, password, code),
            (signatures.sign_as_second, second, second_password, second_code),
        ):
            sign(
                actor=signer,
                password=secret,
                code=shown,
                meaning=_("This envelope cannot be entered for anybody: it is void."),
                content={"stratum": stratum, "envelope": number, "reason": reason},
                covers=[("void_envelope", made.pk, number)],
                site=locked.site,
            )
        return made


def mark_in_error(*, actor: User, participant: Participant, kind: str, reason: str, truth: str) -> Correction:
    """Mark an allocation as *randomized in error*, for good.

    The entry is never used again and the allocation stands (intention to treat, ICH E9 5.2.1); `truth` says beside it
    what is true. The same mark again gives the same row. Raises NotAllocated, AlreadyMarked.
    """
    with acting(actor, reason=reason):
        require(actor, ALLOCATION_MARK, site=participant.site_id)
        require_reason(reason)
        made = Allocation.objects.filter(participant=participant).first()
        if made is None:
            raise NotAllocated(participant=participant.code)
        said: dict[str, Any] = {"kind": kind, "reason": reason, "truth": truth}
        mark, new = Correction.objects.get_or_create(
            allocation=made,
            defaults=said
            | {
                "participant": participant,
                "site_id": made.site_id,
                "marked_at": clock.now(),
                "marked_by": actor,
            },
        )
        if not new and {name: getattr(mark, name) for name in said} != said:
            raise AlreadyMarked(participant=participant.code)
        return mark


def _set_state(actor: User, model: type[Steered], pk: int, state: str, reason: str) -> Steered:
    with acting(actor, reason=reason):
        require(actor, SEQUENCE_MANAGE)
        require_reason(reason)
        locked = model.objects.select_for_update().get(pk=pk)
        if isinstance(locked, Stratum):
            require(actor, SEQUENCE_MANAGE, site=locked.site_id)
        else:
            require_everywhere(actor, SEQUENCE_MANAGE)
        if state != locked.state:
            if state not in STATES[locked.state]:
                raise StateNotReachable(state=locked.get_state_display(), wanted=state)
            locked.state = state
            locked.save(update_fields=["state"])
        return locked


def _require_cap(cap: int | None, *, least: int, most: int) -> None:
    if cap is not None and not least <= cap <= most:
        raise BadCap(
            fields={
                "cap": [
                    _("A cap lies between {least} (already randomized) and {most}.").format(
                        least=least, most=most
                    )
                ]
            }
        )
