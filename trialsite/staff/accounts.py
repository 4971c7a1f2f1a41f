"""Accounts from invitation to closure. They are closed, never deleted; a user name is never given again.

An administrator never knows a passphrase: a link by mail lets the person set it. The link's secret is made at the
moment of sending and stored nowhere: it is a keyed hash over the account as it is, so that it ends with its first use,
with a newer invitation, with the account, or with time.
"""

import datetime as dt
import re
from typing import Final

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.http import base36_to_int, int_to_base36
from django.utils.translation import gettext_lazy as _

from trialsite.audit.context import acting
from trialsite.audit.notes import note, note_refusal
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.staff import limits, second_factor, sessions
from trialsite.staff.access import require
from trialsite.staff.capabilities import USER_MANAGE
from trialsite.staff.errors import InvitationSpent, NameTaken, NotOneself, TooManyAttempts
from trialsite.staff.keeping import require_keeping
from trialsite.staff.models import Token, User, system_actor
from trialsite.staff.services import require_reason

_SHAPE: Final = _(
    "3 to 60 small letters a–z, digits, points, hyphens or underlines; a letter or digit comes first."
)
_NO_ADDRESS: Final = _("An invitation needs an open account of a person, with a mail address.")
_IN_USE: Final = _("The person has set a passphrase; the address stays.")
_MISMATCH: Final = _("The present passphrase is not correct.")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{2,59}")


class _Links(PasswordResetTokenGenerator):
    """Django's one-time tokens, which also end with a newer invitation."""

    key_salt = "trialsite.staff.accounts"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}{user.password}{user.email}{user.is_active}{user.invited_at}{timestamp}"


_links: Final = _Links()


def open_account(
    *, actor: User, username: str, full_name: str, email: str, phone: str = "", language: str = "zh-hans"
) -> User:
    """A new account that cannot sign in yet; `invite` sends the person the link.

    Raises Invalid naming the field, NameTaken for a name that anyone has or ever had.
    """
    require(actor, USER_MANAGE)
    if not email:
        raise Invalid(fields={"email": [str(_NO_ADDRESS)]})
    return _opened(
        actor, User(username=username, full_name=full_name, email=email, phone=phone, language=language)
    )


def open_program(*, actor: User, username: str, full_name: str) -> User:
    """A new account for a hospital's program: it never signs in, and works by tokens that a person answers for.

    `full_name` says what the program is; the trail shows it. Raises Invalid naming the field, NameTaken.
    """
    require(actor, USER_MANAGE)
    return _opened(actor, User(username=username, full_name=full_name, kind=User.Kind.MACHINE))


def _opened(actor: User, user: User) -> User:
    if not _NAME.fullmatch(user.username):
        raise Invalid(fields={"username": [str(_SHAPE)]})
    user.set_unusable_password()
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
    try:
        with acting(actor):
            user.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken(fields={"username": [str(NameTaken.message)]}) from error
    return user


def correct_address(*, actor: User, user: User, email: str) -> User:
    """The account with another mail address, for a slip in the invitation. Raises Invalid naming `email`.

    Only until the person has set a passphrase: afterwards a link to another address would give the account away.
    """
    require_keeping(actor, user)
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if user.kind != User.Kind.PERSON or not user.is_active:
            raise Invalid(fields={"email": [str(_NO_ADDRESS)]})
        if user.has_usable_password():
            raise Invalid(fields={"email": [str(_IN_USE)]})
        user.email = email
        try:
            user.clean_fields(exclude=["password"])
        except ValidationError as error:
            raise Invalid(fields=error.message_dict) from error
        with acting(actor):
            User.objects.filter(pk=user.pk).update(email=user.email)
    return user


def mark_invited(*, actor: User, user: User) -> dt.datetime:
    """Note that a new link is wanted; every older one ends. The room above puts the message."""
    require_keeping(actor, user)
    if not user.is_active or not user.email or user.kind != User.Kind.PERSON:
        raise Invalid(fields={"email": [str(_NO_ADDRESS)]})
    now = clock.now()
    with acting(actor):
        User.objects.filter(pk=user.pk).update(invited_at=now)
    return now


def link(user: User) -> str:
    """The address under which `user`, read anew, sets the passphrase."""
    return f"{settings.PUBLIC_URL}/invitation/{int_to_base36(user.pk)}/{_links.make_token(user)}/"


def invited(number: str, secret: str) -> User:
    """The account that the link belongs to. Raises InvitationSpent, the same for every reason."""
    try:
        user = User.objects.filter(
            pk=base36_to_int(number), is_active=True, invited_at__isnull=False, kind=User.Kind.PERSON
        ).first()
    except (ValueError, OverflowError) as error:
        raise InvitationSpent from error
    if user is None or not _links.check_token(user, secret):
        raise InvitationSpent
    return user


def accept(*, number: str, secret: str, passphrase: str) -> User:
    """The person behind the link sets a passphrase; the link ends, and so do all sessions.

    The person acts, since only the person has the link. Raises InvitationSpent, Invalid naming `passphrase`.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=invited(number, secret).pk)
        invited(number, secret)
        check_passphrase(passphrase, user)
        user.set_password(passphrase)
        with acting(user):
            User.objects.filter(pk=user.pk).update(password=user.password, invited_at=None)
            note(
                actor=user,
                action="passphrase_set",
                about="staff_user",
                key=user.pk,
                details={"by": "invitation"},
            )
            sessions.end(actor=user, user=user)
    return user


def change_passphrase(*, actor: User, present: str, passphrase: str, keep_session: str) -> None:
    """A person changes the own passphrase; the other sessions end. Raises Invalid naming the field, TooManyAttempts.

    Whoever finds a browser left open guesses here no better than at the door: a refusal stands in the trail.
    """
    try:
        _require_present(actor, present)
    except (Invalid, TooManyAttempts) as refusal:
        note_refusal(
            actor=actor,
            action="passphrase_refused",
            about="staff_user",
            key=actor.pk,
            details={"why": refusal.code},
        )
        raise
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=actor.pk)
        check_passphrase(passphrase, user)
        user.set_password(passphrase)
        with acting(actor):
            User.objects.filter(pk=user.pk).update(password=user.password)
            note(
                actor=actor,
                action="passphrase_set",
                about="staff_user",
                key=user.pk,
                details={"by": "oneself"},
            )
            sessions.end(actor=actor, user=user, sparing=keep_session)


def _require_present(actor: User, present: str) -> None:
    limits.allow("passphrase", str(actor.pk))
    if not User.objects.get(pk=actor.pk).check_password(present):
        raise Invalid(fields={"present": [str(_MISMATCH)]})
    limits.clear("passphrase", str(actor.pk))


def check_passphrase(passphrase: str, user: User) -> None:
    """Raise Invalid naming `passphrase` where it is too short, known from breaches, or guessable from the person."""
    try:
        validate_password(passphrase, user)
    except ValidationError as error:
        raise Invalid(fields={"passphrase": error.messages}) from error


def close_account(*, actor: User, user: User, reason: str) -> None:
    """Close an account: sign-in, sessions and tokens end at once; everything it did stays."""
    require_keeping(actor, user)
    if actor.pk == user.pk:
        raise NotOneself
    require_reason(reason)
    with acting(actor, reason=reason):
        User.objects.filter(pk=user.pk).update(is_active=False, invited_at=None)
        # They would live again with the account.
        Token.objects.filter(Q(user=user) | Q(responsible=user), revoked_at=None).update(
            revoked_at=clock.now()
        )
        sessions.end(actor=actor, user=user)


def reopen_account(*, actor: User, user: User, reason: str) -> None:
    """Open a closed account again; its passphrase and second factor are those of before."""
    require_keeping(actor, user)
    require_reason(reason)
    with acting(actor, reason=reason):
        User.objects.filter(pk=user.pk).update(is_active=True)


def remove_second_factor(*, actor: User, user: User, reason: str) -> None:
    """For a lost telephone: the second factor and all sessions end; the next sign-in sets up a new one."""
    require_keeping(actor, user)
    if actor.pk == user.pk:
        raise NotOneself
    require_reason(reason)
    with acting(actor, reason=reason):
        second_factor.remove(actor=actor, user=user)
        sessions.end(actor=actor, user=user)


def resolve_invitation_for(user_id: int) -> User | None:
    """The account as it is at the moment of sending; None where no invitation is open any more."""
    return User.objects.filter(pk=user_id, is_active=True, invited_at__isnull=False).exclude(email="").first()


def door_keeper() -> User:
    """The system user that notes failures and puts invitations."""
    return system_actor("system.door")
