"""Whose accounts an administrator keeps: those of people who work only where that administrator keeps accounts."""

from django.db.models import Exists, OuterRef, QuerySet

from trialsite.core.errors import NotFound
from trialsite.staff.access import require, sites_of
from trialsite.staff.capabilities import USER_MANAGE
from trialsite.staff.models import Membership, User


def kept_by(actor: User) -> QuerySet[User]:
    """Accounts of people and programs that `actor` keeps; one without any role belongs to whoever keeps accounts."""
    people = User.objects.exclude(kind=User.Kind.SYSTEM)
    sites = sites_of(actor, USER_MANAGE)
    if sites is None:
        return people
    if not sites:
        return people.none()
    elsewhere = Membership.objects.current().filter(user=OuterRef("pk")).exclude(site__in=sites)
    return people.filter(~Exists(elsewhere))


def require_keeping(actor: User, user: User) -> None:
    """Raise Forbidden where `actor` keeps no accounts, NotFound where not this one."""
    require(actor, USER_MANAGE)
    if not kept_by(actor).filter(pk=user.pk).exists():
        raise NotFound
