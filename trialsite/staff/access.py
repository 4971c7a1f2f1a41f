"""May this actor do this, here? The only place that answers."""

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from trialsite.core.errors import Forbidden, NotFound
from trialsite.staff.capabilities import ALL, CAPABILITIES, PARTICIPANT_VIEW, SIGNED_IN
from trialsite.staff.errors import NotByToken

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db import models

    from trialsite.audit.context import Actor
    from trialsite.staff.models import User


# As `MembershipQuerySet.current` has it; every request asks, and building it took longer than all else.
_HELD: Final = """
SELECT m.role, m.site_id FROM staff_membership m JOIN staff_user u ON u.id = m.user_id AND u.is_active
 WHERE m.user_id = %s AND m.starts_at <= statement_timestamp()
   AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
"""


def _memberships(actor: "Actor") -> list[tuple[str, int | None]]:
    """(role, site id or None for all) of the actor, read once per user object."""
    known: list[tuple[str, int | None]] | None = getattr(actor, "_current_memberships", None)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute(_HELD, [actor.pk])
            known = cursor.fetchall()
        user: Any = actor
        user._current_memberships = known
    return known


def sites_of(actor: "Actor", capability: str = PARTICIPANT_VIEW) -> list[int] | None:
    """Ids of the hospitals where `actor` holds `capability`; None where at all of them.

    A token with which the actor came narrows both: what is not among its scopes and hospitals is not held.
    """
    token = getattr(actor, "token", None)
    if token is None:
        return _sites_by_role(actor, capability)
    if capability not in token.scopes:
        return []
    sites = _sites_by_role(actor, capability)
    if token.sites is None or sites is None:
        return sites if token.sites is None else sorted(token.sites)
    return sorted(set(sites) & set(token.sites))


def _sites_by_role(actor: "Actor", capability: str) -> list[int] | None:
    sites: list[int] = []
    for role, site_id in _memberships(actor):
        if capability in CAPABILITIES.get(role, ()):
            if site_id is None:
                return None
            sites.append(site_id)
    return sorted(set(sites))


def has(
    actor: "User | AnonymousUser | Actor", capability: str, *, site: "models.Model | int | None" = None
) -> bool:
    """Whether `actor` holds `capability` at `site`, or anywhere where no site is given."""
    if not actor.pk:
        return False
    if capability == SIGNED_IN:
        return bool(getattr(actor, "is_active", False)) and getattr(actor, "token", None) is None
    sites = sites_of(actor, capability)
    if sites is None:
        return True
    if site is None:
        return bool(sites)
    return (site if isinstance(site, int) else site.pk) in sites


def require(actor: "Actor", capability: str, *, site: "models.Model | int | None" = None) -> None:
    """Raise NotFound where the actor may not know the hospital's participants, Forbidden where the role lacks this."""
    if has(actor, capability, site=site):
        return
    if site is not None and not has(actor, PARTICIPANT_VIEW, site=site) and has(actor, capability):
        raise NotFound
    raise Forbidden


def has_everywhere(actor: "Actor", capability: str) -> bool:
    """Whether `actor` holds `capability` at all hospitals: what belongs to the trial as a whole asks for that."""
    return bool(actor.pk) and sites_of(actor, capability) is None


def require_everywhere(actor: "Actor", capability: str) -> None:
    """Raise Forbidden unless `actor` holds this at all hospitals: for what belongs to the trial as a whole."""
    if not has_everywhere(actor, capability):
        raise Forbidden


@dataclass(frozen=True)
class Narrowed:
    """What a reader keeps of their own capabilities and hospitals; read like a token's."""

    scopes: frozenset[str]
    sites: list[int] | None


def require_signed_in(actor: "Actor") -> None:
    """Raise NotByToken where `actor` came with a token: for keys that would outlive it and its limits."""
    if getattr(actor, "token", None) is not None:
        raise NotByToken


def without(actor: "User", capability: str) -> "User":
    """`actor` as a reader who does not hold `capability`: every `visible_to` then hides what it guards.

    The row policies still know the account; the copy is for reading alone.
    """
    held, sites = _held(actor)
    return _narrowed(actor, held - {capability}, sites)


def within(actor: "User", sites: Collection[int]) -> "User":
    """`actor` as a reader of these hospitals alone, and of no other that came to them since; as in `without`."""
    held, mine = _held(actor)
    return _narrowed(actor, held, sorted(sites if mine is None else set(sites) & set(mine)))


def _held(actor: "User") -> tuple[frozenset[str], list[int] | None]:
    token: Any = getattr(actor, "token", None)
    return (frozenset(token.scopes), token.sites) if token else (ALL, None)


def _narrowed(actor: "User", scopes: frozenset[str], sites: list[int] | None) -> "User":
    reader = copy.copy(actor)
    reader.token = Narrowed(scopes, sites)  # type: ignore[assignment]
    return reader


def roles_of(actor: "Actor") -> list[str]:
    """The actor's present roles, sorted."""
    return sorted({role for role, _ in _memberships(actor)})


def capabilities_of(actor: "Actor") -> set[str]:
    """Every capability that the actor holds at some hospital now."""
    held = {name for role, _ in _memberships(actor) for name in CAPABILITIES.get(role, ())}
    return {name for name in held if sites_of(actor, name) != []}


def forget(actor: "Actor") -> None:
    """Read the memberships anew at the next question (they changed)."""
    user: Any = actor
    if getattr(user, "_current_memberships", None) is not None:
        del user._current_memberships
