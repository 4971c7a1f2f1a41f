"""Hospitals: the only writes."""

from typing import Final

from trialsite.audit.context import acting
from trialsite.sites.errors import SiteNotActive, StateNotReachable
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import SITE_MANAGE
from trialsite.staff.models import User

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "planned": frozenset({"active"}),
    "active": frozenset({"paused", "closed"}),
    "paused": frozenset({"active", "closed"}),
    "closed": frozenset(),
}


def set_state(*, actor: User, site: Site, state: str, reason: str) -> Site:
    """Activate, pause, resume or close a hospital; the reason goes to the trail."""
    with acting(actor, reason=reason):
        require(actor, SITE_MANAGE, site=site)
        locked = Site.objects.select_for_update().get(pk=site.pk)
        if locked.state == state:
            return locked
        if state not in TRANSITIONS[locked.state]:
            raise StateNotReachable(state=locked.get_state_display(), wanted=state)
        locked.state = state
        locked.save(update_fields=["state"])
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
        require(actor, SITE_MANAGE)
        values = {
            "number": number,
            "name_en": name_en,
            "name_zh": name_zh,
            "timezone": timezone,
            "target": target,
            "cap": cap,
            "phone": phone,
        }
        site, _ = Site.objects.update_or_create(code=code, defaults=values)
        return site


def require_active(site: Site) -> None:
    """Raise SiteNotActive unless the hospital is open."""
    if site.state != Site.State.ACTIVE:
        raise SiteNotActive(site=site.name)
