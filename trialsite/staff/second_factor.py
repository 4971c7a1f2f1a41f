"""The second factor: a telephone's six digits (TOTP, RFC 6238) or a recovery code."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from trialsite.audit.context import acting, present_origin
from trialsite.staff import door, limits, sessions
from trialsite.staff.errors import CodeNeeded, NoSecondFactor, WrongCode
from trialsite.staff.models import User


class SecondFactor(DefaultMFAAdapter):  # type: ignore[misc]
    """Keeps the seeds encrypted under the keys of contact data: a dump of the database opens no account."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("The code is not correct, or it was used before."),
    }

    def encrypt(self, text: str) -> str:
        return _ring().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _ring().decrypt(encrypted_text.encode()).decode()

    def get_totp_label(self, user: Any) -> str:
        return str(user.username)


class _Once:
    """A form that takes each code once (RFC 6238, 5.2): allauth forgets it sooner than the tolerance lets it live."""

    user: User

    def clean_code(self) -> str:
        request = context.request
        try:
            door.count_try(request)
            code = str(super().clean_code())  # type: ignore[misc]
            if not _spend(self.user, code):
                raise get_adapter().validation_error("incorrect_code")
        except ValidationError as refused:
            door.note_wrong_code(self.user, limited=refused.code == "too_many_login_attempts")
            raise
        door.take_back_try(request)
        return code


class CodeForm(_Once, AuthenticateForm):  # type: ignore[misc]
    """The second factor at sign-in."""


class CodeAgainForm(_Once, ReauthenticateForm):  # type: ignore[misc]
    """The second factor before something that needs it anew."""


class SetUpForm(ActivateTOTPForm):  # type: ignore[misc]
    """Setting up a telephone: the code that proves it is spent, and opens the door no more."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        _spend(self.user, code)
        return code


def _spend(user: User, code: str) -> bool:
    """Whether this code was not used before within the time for which it could be accepted."""
    digest = salted_hmac("trialsite.staff.second_factor", code).hexdigest()
    return bool(cache.add(f"code:{user.pk}:{digest}", 1, 180))


def _ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.DATA_KEYS])


def enrolled(user: User) -> bool:
    """Whether the account has a second factor."""
    found: bool = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
    return found


def missing(request: HttpRequest) -> bool:
    """Whether this person must set up a second factor before anything else; asked of the database once a session."""
    if not settings.MFA_REQUIRED or request.session.get("second_factor"):
        return False
    user: Any = request.user
    if not enrolled(user):
        return True
    request.session["second_factor"] = True
    return False


def needed_to_sign(actor: User) -> bool:
    """Whether the next signature asks for a code: the first of each session does, of whoever has a second factor."""
    return enrolled(actor) and not cache.get(_signed_in_this_session(actor))


def confirm_for_signature(*, actor: User, code: str) -> None:
    """Ask for the second component of a signature (21 CFR 11.200(a)(1)): on the first of a session, not on the next.

    A token has no session: each of its signatures asks. Raises CodeNeeded, WrongCode, NoSecondFactor, TooManyAttempts.
    """
    if not enrolled(actor):
        if settings.MFA_REQUIRED:
            raise NoSecondFactor
        return
    if not needed_to_sign(actor):
        return
    if not code.strip():
        raise CodeNeeded
    limits.allow("sign", str(actor.pk))
    if not _accepted(actor, code.strip()):
        raise WrongCode
    limits.clear("sign", str(actor.pk))
    if present_origin().session and actor.token is None:
        cache.set(_signed_in_this_session(actor), 1, settings.SESSION_COOKIE_AGE)


def _accepted(actor: User, code: str) -> bool:
    """Whether a TOTP code that was not used before, or an unused recovery code, is the actor's. Uses it up."""
    with acting(actor):
        own = Authenticator.objects.filter(user_id=actor.pk)
        known = any(one.wrap().validate_code(code) for one in own)
        return known and _spend(actor, code)


def gone(request: HttpRequest) -> None:
    """The person took the own second factor away: where it is required, this session sets up a new one; others end."""
    user: Any = request.user
    request.session.pop("second_factor", None)
    sessions.end(actor=user, user=user, sparing=request.session.session_key or "")


def remove(*, actor: User, user: User) -> None:
    """Take the second factor from an account whose telephone is lost; the next sign-in sets up a new one."""
    with acting(actor):
        Authenticator.objects.filter(user_id=user.pk).delete()


def _signed_in_this_session(actor: User) -> str:
    return f"signed:{actor.pk}:{present_origin().session}"
