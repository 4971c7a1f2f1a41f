"""Accounts and memberships: the only writes."""

import datetime as dt

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.staff.access import require, require_everywhere
from trialsite.staff.capabilities import ROLES, USER_MANAGE, clash
from trialsite.staff.errors import NoSuchRole, NotOneself, RolesApart, RoleStands
from trialsite.staff.models import Membership, User
from trialsite.staff.wording import role_name


def create_user(
    *,
    actor: User,
    username: str,
    password: str | None,
    full_name: str,
    email: str = "",
    phone: str = "",
    language: str = "zh-hans",
    kind: str = User.Kind.PERSON,
) -> User:
    """A new account without any role. A password of None makes one that cannot sign in by password.

    Raises Invalid naming `password` when it is too short or common.
    """
    require(actor, USER_MANAGE)
    user = User(
        username=username, full_name=full_name, email=email, phone=phone, language=language, kind=kind
    )
    if password is None:
        user.set_unusable_password()
    else:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(fields={"password": error.messages}) from error
        user.set_password(password)
    with acting(actor):
        user.save(force_insert=True)
    return user


def grant(
    *,
    actor: User,
    user: User,
    role: str,
    site: models.Model | None,
    reason: str,
    starts_at: dt.datetime | None = None,
    ends_at: dt.datetime | None = None,
) -> Membership:
    """Give `user` a role at a hospital (None: all hospitals) from `starts_at`, now by default, until `ends_at`.

    Whoever keeps the accounts of one hospital gives roles there alone, and nobody gives any to the own account.
    Granting an open one twice changes nothing; with another start, or an end, it raises RoleStands. Raises NotOneself,
    NoSuchRole, RolesApart, or Invalid naming the field.
    """
    _require_accounts_of(actor, site)
    if actor.pk == user.pk:
        raise NotOneself
    require_reason(reason)
    if role not in ROLES:
        raise NoSuchRole(role=role)
    begins = starts_at or clock.now()
    zone = getattr(site, "timezone", settings.TIME_ZONE)
    if clock.local_date(begins, zone) < clock.today(zone):
        raise Invalid(fields={"starts_at": [_("A role begins today at the earliest.")]})
    if ends_at is not None and ends_at <= begins:
        raise Invalid(fields={"ends_at": [_("The end must come after the beginning.")]})
    with acting(actor, reason=reason):
        # Two roles given at once wait for each other here.
        User.objects.select_for_update().get(pk=user.pk)
        site_id = None if site is None else site.pk
        held = Membership.objects.filter(user=user, role=role, site=site_id, ends_at=None).first()
        _require_apart(user, role, site_id, begins, ends_at)
        if held is None:
            return Membership.objects.create(
                user=user, role=role, site_id=site_id, starts_at=begins, ends_at=ends_at
            )
        same = held.starts_at == starts_at or (starts_at is None and held.starts_at <= begins)
        if not same or ends_at is not None:
            since = clock.local_date(held.starts_at, zone).isoformat()
            raise RoleStands(person=user.full_name, role=role_name(role), since=since)
        return held


def end_membership(*, actor: User, membership: Membership, reason: str) -> None:
    """End a role now. The row stays, so that who could do what, when, can be told. Raises Invalid naming `reason`."""
    _require_accounts_of(actor, membership.site)
    require_reason(reason)
    with acting(actor, reason=reason):
        still = models.Q(ends_at=None) | models.Q(ends_at__gt=clock.now())
        Membership.objects.filter(still, pk=membership.pk).update(ends_at=clock.now())


def _require_accounts_of(actor: User, site: models.Model | None) -> None:
    """Raise Forbidden or NotFound unless `actor` keeps the accounts of this hospital (None: of all)."""
    require(actor, USER_MANAGE, site=site)
    if site is None:
        require_everywhere(actor, USER_MANAGE)


def require_reason(reason: str) -> None:
    """Raise Invalid naming `reason` where none is given."""
    if not reason.strip():
        raise Invalid(fields={"reason": [_("A reason is needed.")]})


def _require_apart(
    user: User, role: str, site: int | None, begins: dt.datetime, ends: dt.datetime | None
) -> None:
    """Raise RolesApart where the person holds, at that time and there, a role that clashes with this one."""
    meets = models.Q(ends_at=None) | models.Q(ends_at__gt=begins)
    there = models.Q() if site is None else models.Q(site=site) | models.Q(site=None)
    rows = Membership.objects.filter(meets, there, user=user)
    if ends is not None:
        rows = rows.filter(starts_at__lt=ends)
    for held in rows:
        if clash(held.role, role):
            raise RolesApart(person=user.full_name, held=held.role_name, role=role_name(role))
