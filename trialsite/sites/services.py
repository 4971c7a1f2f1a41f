"""Hospitals: the only writes."""

import datetime as dt
from typing import Final

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.errors import (
    AlreadyActivated,
    ApprovalDiffers,
    NotApproved,
    NothingToCancel,
    SecondPersonNeeded,
    SiteNotActive,
    StateNotReachable,
)
from trialsite.sites.models import Activation, ActivationSignature, Site
from trialsite.staff import signatures
from trialsite.staff.access import has, require, require_everywhere
from trialsite.staff.capabilities import ACTIVATION_SIGN, ACTIVATION_SPONSOR, SITE_MANAGE
from trialsite.staff.models import User
from trialsite.staff.services import require_reason

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "planned": frozenset({"active"}),
    "active": frozenset({"paused", "closed"}),
    "paused": frozenset({"active", "closed"}),
    "closed": frozenset(),
}
ACTIVATION_TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "proposed": frozenset({"active", "cancelled"}),
    "active": frozenset(),
    "cancelled": frozenset(),
}


def set_state(*, actor: User, site: Site, state: str, reason: str) -> Site:
    """Activate, pause, resume or close a hospital; the reason goes to the trail.

    Raises Invalid naming `reason` where none is given, NotApproved where no protocol version is activated there,
    StateNotReachable where no way leads.
    """
    with acting(actor, reason=reason):
        require(actor, SITE_MANAGE, site=site)
        require_reason(reason)
        locked = Site.objects.select_for_update().get(pk=site.pk)
        if locked.state == state:
            return locked
        if state not in TRANSITIONS[locked.state]:
            raise StateNotReachable(state=locked.get_state_display(), wanted=state)
        if state == Site.State.ACTIVE:
            version_in_force(locked)
        locked.state = state
        locked.save(update_fields=["state"])
        return locked


def set_limit(*, actor: User, site: Site, limit: int | None, reason: str) -> Site:
    """A cap for the hospital beside the protocol's, or None; the lower one holds. The reason goes to the trail.

    Raises Invalid naming `reason` where none is given.
    """
    with acting(actor, reason=reason):
        require(actor, SITE_MANAGE, site=site)
        require_reason(reason)
        locked = Site.objects.select_for_update().get(pk=site.pk)
        locked.limit = limit
        locked.save(update_fields=["limit"])
        return locked


def sync(
    *,
    actor: User,
    code: str,
    number: str,
    name_en: str,
    name_zh: str,
    timezone: str,
    target: int,
    cap: int | None,
    phone: str = "",
) -> Site:
    """Create or bring up to date the hospital `code` as the protocol describes it; its state is left alone."""
    with acting(actor):
        require_everywhere(actor, SITE_MANAGE)
        values = {
            "number": number,
            "name_en": name_en,
            "name_zh": name_zh,
            "timezone": timezone,
            "target": target,
            "cap": cap,
            "phone": phone,
        }
        site, _made = Site.objects.update_or_create(code=code, defaults=values)
        return site


def require_active(site: Site) -> None:
    """Raise SiteNotActive unless the hospital is open."""
    if site.state != Site.State.ACTIVE:
        raise SiteNotActive(site=site.name)


def version_in_force(site: Site) -> ProtocolVersion:
    """The newest protocol version that is activated at `site`; raises NotApproved where none is."""
    activation = Activation.objects.in_force(site)
    if activation is None:
        raise NotApproved(site=site.name)
    return activation.protocol_version


def sign_activation(
    *,
    actor: User,
    site: Site,
    version: ProtocolVersion,
    ethics_approved_on: dt.date,
    ethics_reference: str,
    password: str,
    code: str = "",
) -> Activation:
    """Sign that `version` may be used at `site`: the first signature proposes, that of the other side activates.

    Both name the same ethics approval. Raises WrongPassword, SecondPersonNeeded, ApprovalDiffers, AlreadyActivated
    or Invalid naming the field; then nothing is stored.
    """
    with acting(actor):
        require(actor, ACTIVATION_SIGN, site=site)
        locked = Site.objects.select_for_update().get(pk=site.pk)
        activation = _proposal(locked, version, ethics_approved_on, ethics_reference.strip())
        side = (
            ActivationSignature.Side.SPONSOR
            if has(actor, ACTIVATION_SPONSOR, site=locked)
            else ActivationSignature.Side.HOSPITAL
        )
        given = list(activation.signatures.all())
        if any(one.side == side or one.signer_id == actor.pk for one in given):
            raise SecondPersonNeeded
        signature = signatures.sign(
            actor=actor,
            password=password,
            code=code,
            meaning=_meaning(side),
            content=_content(activation, locked, version, side),
            covers=[("activation", activation.pk, 1)],
            site=locked,
        )
        ActivationSignature.objects.create(
            activation=activation, site=locked, side=side, signer=actor, signature=signature
        )
        if given:
            activation.state, activation.activated_at = Activation.State.ACTIVE, clock.now()
            activation.save(update_fields=["state", "activated_at"])
        return activation


def cancel_activation(*, actor: User, activation: Activation, reason: str) -> Activation:
    """Cancel a proposal that lacks its second signature, such as one with a wrong date; its signature falls."""
    with acting(actor, reason=reason):
        require(actor, ACTIVATION_SIGN, site=activation.site_id)
        require_reason(reason)
        # In the order in which a second signature locks, which then finds the proposal cancelled, or comes first.
        Site.objects.select_for_update().get(pk=activation.site_id)
        locked = Activation.objects.select_for_update().get(pk=activation.pk)
        if locked.state != Activation.State.PROPOSED:
            raise NothingToCancel
        locked.state = Activation.State.CANCELLED
        locked.save(update_fields=["state"])
        signatures.fall(covers=[("activation", locked.pk)], reason=reason)
        return locked


def _proposal(site: Site, version: ProtocolVersion, approved_on: dt.date, reference: str) -> Activation:
    """The activation that waits for a signature, or a new one."""
    if approved_on > clock.today(site.timezone):
        raise Invalid(fields={"ethics_approved_on": [_("This date lies in the future.")]})
    if not reference:
        raise Invalid(fields={"ethics_reference": [_("The reference of the approval is needed.")]})
    standing = Activation.objects.standing().filter(site=site, protocol_version=version).first()
    if standing is None:
        return Activation.objects.create(
            site=site,
            protocol_version=version,
            ethics_approved_on=approved_on,
            ethics_reference=reference,
        )
    if standing.state == Activation.State.ACTIVE:
        raise AlreadyActivated(version=version.version, site=site.name)
    if (standing.ethics_approved_on, standing.ethics_reference) != (approved_on, reference):
        raise ApprovalDiffers(reference=standing.ethics_reference, on=standing.ethics_approved_on.isoformat())
    return standing


def _meaning(side: str) -> str:
    if side == ActivationSignature.Side.SPONSOR:
        return _("For the sponsor: the approvals are complete; this version may be used at the hospital.")
    return _("For the hospital: the ethics committee has approved; this version is used from now on.")


def _content(activation: Activation, site: Site, version: ProtocolVersion, side: str) -> dict[str, str]:
    """What a signature under an activation is bound to."""
    return {
        "hospital": site.code,
        "trial": version.trial_id,
        "version": version.version,
        "sha256": version.sha256,
        "ethics_approved_on": activation.ethics_approved_on.isoformat(),
        "ethics_reference": activation.ethics_reference,
        "side": str(side),
    }
