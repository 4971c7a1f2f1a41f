"""The door: what allauth asks us about sign-in, and what of it goes into the trail.

Failures are noted by the system user `system.door`, since whoever failed to sign in is nobody yet. A user name that
does not exist may be a passphrase typed into the wrong field: the trail holds a keyed digest of it, never the text.
"""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.internal.ratelimit import truncate_ip
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from trialsite.audit.notes import note, note_refusal
from trialsite.core import clock
from trialsite.staff import limits, sessions
from trialsite.staff.models import User, system_actor

# Wrong passphrases and codes in a window, of one address (of an IPv6 network of 64 bits).
FROM_ONE_ADDRESS: Final = 60
_MISMATCH: Final = _("User name and passphrase do not belong together, or the account is closed.")


class Door(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up here; accounts come from an administrator's invitation."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": _MISMATCH,
        "too_many_login_attempts": _("Too many attempts from here. Wait five minutes and try again."),
        "incorrect_code": _("The code is not correct, or it was used before."),
        "incorrect_password": _("The passphrase is not correct."),
        "enter_current_password": _("The present passphrase is not correct."),
        "rate_limited": _("Too many attempts from here. Wait five minutes and try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return str(request.META.get("REMOTE_ADDR") or "local")

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """One user name from one address: whoever guesses elsewhere locks nobody out here."""
        return f"{truncate_ip(self.get_client_ip(request))}:{credentials.get('username', '').lower()}"

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: the door answers pages alone. An answer of 400 in their place would undo what a failure wrote."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            count_try(request)
            super().pre_authenticate(request, **credentials)
        except Exception:
            self._note_lockout(request, credentials)
            raise

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user: User | None = super().authenticate(request, **credentials)
        if user is not None:
            take_back_try(request)
        if user is not None and not user.is_staff:
            self.authentication_failed(request, **credentials)
            return None
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        _note_failure("sign_in_failed", credentials.get("username", ""), {"step": "passphrase"})

    def _note_lockout(self, request: HttpRequest, credentials: dict[str, Any]) -> None:
        key = self._get_login_attempts_cache_key(request, **credentials)
        _note_limited(key, credentials.get("username", ""), {})

    def post_login(self, request: HttpRequest, user: User, **hooks: Any) -> Any:
        sessions.begin(request)
        methods = [record["method"] for record in get_authentication_records(request, user)]
        note(actor=user, action="sign_in", about="staff_user", key=user.pk, details={"by": methods})
        return super().post_login(request, user, **hooks)

    def logout(self, request: HttpRequest) -> None:
        if isinstance(request.user, User):
            note(actor=request.user, action="sign_out", about="staff_user", key=request.user.pk)
        super().logout(request)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not within the first minutes after sign-in, so that the first one leads straight to the second factor."""
        from allauth.core import context

        since = context.request.session.get("since", 0)
        fresh = clock.now().timestamp() - since < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
        return not fresh and bool(super().is_reauthentication_required(app=app, **kwargs))

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """allauth's own sentences are not shown: the pages say what happened in the words of this program."""


def count_try(request: HttpRequest) -> None:
    """Count one more passphrase or code from this address, and refuse what goes beyond.

    Counted here and not by allauth, which forgets the whole count of an address with each right code from it.
    """
    tries, _seconds = limits.count("door", _address(request))
    if tries > FROM_ONE_ADDRESS:
        raise get_adapter().validation_error("too_many_login_attempts")


def take_back_try(request: HttpRequest) -> None:
    """The try was none: it was right. Those that failed before it stay counted."""
    limits.take_back("door", _address(request))


def _address(request: HttpRequest) -> str:
    return str(truncate_ip(get_adapter().get_client_ip(request)))


def note_wrong_code(user: User, *, limited: bool) -> None:
    """The passphrase was right, the second factor was not; or there were too many tries to look at it."""
    if limited:
        _note_limited(f"code:{user.pk}", user.username, {"step": "code"})
    else:
        _note_failure("sign_in_failed", user.username, {"step": "code"})


def _note_limited(key: str, username: str, details: dict[str, Any]) -> None:
    """Once per window and key, so that a flood of attempts does not flood the trail."""
    if cache.add(f"locked:{key}", 1, limits.WINDOW):
        _note_failure("sign_in_limited", username, details)


def _note_failure(action: str, username: str, details: dict[str, Any]) -> None:
    known = User.objects.filter(username__iexact=username).values_list("pk", flat=True).first()
    if known is None:
        mark = salted_hmac("trialsite.staff.door", username.strip().lower()).hexdigest()[:16]
        details = details | {"unknown_name": mark}
    note_refusal(
        actor=system_actor("system.door"), action=action, about="staff_user", key=known or "", details=details
    )
