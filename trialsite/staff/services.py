"""Accounts and memberships: the only writes."""

import datetime as dt

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.staff.access import require
from trialsite.staff.capabilities import ROLES, USER_MANAGE
from trialsite.staff.errors import NoSuchRole
from trialsite.staff.models import Membership, User


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
    starts_at: dt.datetime | None = None,
    ends_at: dt.datetime | None = None,
) -> Membership:
    """Give `user` a role at a hospital (None: all hospitals) from `starts_at`, now by default, until `ends_at`.

    Granting an open one twice changes nothing. Raises NoSuchRole, or Invalid naming `ends_at`.
    """
    require(actor, USER_MANAGE)
    if role not in ROLES:
        raise NoSuchRole(role=role)
    begins = starts_at or clock.now()
    if ends_at is not None and ends_at <= begins:
        raise Invalid(fields={"ends_at": [_("The end must come after the beginning.")]})
    with acting(actor):
        site_id = None if site is None else site.pk
        held = Membership.objects.filter(user=user, role=role, site=site_id, ends_at=None).first()
        return held or Membership.objects.create(
            user=user, role=role, site_id=site_id, starts_at=begins, ends_at=ends_at
        )


def end_membership(*, actor: User, membership: Membership, reason: str = "") -> None:
    """End a role now. The row stays, so that who could do what, when, can be told."""
    require(actor, USER_MANAGE)
    with acting(actor, reason=reason):
        still = models.Q(ends_at=None) | models.Q(ends_at__gt=clock.now())
        Membership.objects.filter(still, pk=membership.pk).update(ends_at=clock.now())
