"""One transaction per request, rendering included, bound to whoever is signed in."""

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from knox.settings import CONSTANTS
from psycopg.errors import InsufficientPrivilege

from trialsite.audit.context import TOKEN_MARK, Origin, bind_request, coming_from, telling_once
from trialsite.audit.notes import keeping_refusals, note
from trialsite.core import clock
from trialsite.staff import second_factor
from trialsite.staff.capabilities import PUBLIC
from trialsite.staff.sessions import SHOWN
from trialsite.staff.tokens import SHAPE

# The instant of the last request is written at most this often, in seconds.
_SEEN_EVERY: Final = 60
log = logging.getLogger("trialsite.request")
GetResponse = Callable[[HttpRequest], HttpResponse]


def _commits_by_itself(path: str) -> bool:
    """Whether the view at `path` declares `own_transaction`: its service commits before the answer is given."""
    try:
        view = resolve(path).func
    except Resolver404:
        return False
    declared_by = getattr(view, "cls", None) or getattr(view, "view_class", view)
    return bool(getattr(declared_by, "own_transaction", False))


def _came_with(request: HttpRequest) -> str:
    """How the trail names the session, or the token that a program claims to have (`Tokens` finds out whether it has).

    The row policies read the token's mark and narrow what is seen to its scopes and hospitals.
    """
    # Parted as knox parts it: any white space may stand between the two.
    word, *rest = request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1").split() or [b""]
    if word.lower() == b"token" and request.path.startswith("/api/"):
        secret = rest[0] if len(rest) == 1 else b""
        return TOKEN_MARK + secret[: CONSTANTS.TOKEN_KEY_LENGTH].decode() if SHAPE.fullmatch(secret) else ""
    request.session.get("seen")  # before it is looked for, its key is only what the browser claims
    return (request.session.session_key or "")[:SHOWN]


class ComingFrom:
    """Whatever a request does is recorded as coming from it, the end of its session too; what is refused stands."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = secrets.token_hex(8)
        origin = Origin(
            application="api" if request.path.startswith("/api/") else "web",
            request=request_id,
            address=request.META.get("REMOTE_ADDR", ""),
            session=_came_with(request),
        )
        began = time.monotonic()
        with coming_from(origin), keeping_refusals():
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        # The route, not the path: no code, name or secret stands in the log.
        log.info(
            "request",
            extra={
                "method": request.method,
                "route": request.resolver_match.route if request.resolver_match else "",
                "status": response.status_code,
                "ms": round((time.monotonic() - began) * 1000),
                "request": request_id,
            },
        )
        return response


class SessionLimits:
    """Ends sessions that are idle or too old, and leads whoever must set up a second factor to that page alone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user: Any = request.user
        if user.is_authenticated:
            now = clock.now().timestamp()
            seen = request.session.setdefault("seen", now)
            since = request.session.setdefault("since", now)
            if now - seen > settings.SESSION_IDLE_SECONDS or now - since > settings.SESSION_COOKIE_AGE:
                note(actor=user, action="session_expired", about="staff_user", key=user.pk)
                logout(request)
            elif now - seen >= _SEEN_EVERY:
                request.session["seen"] = now
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Before the second factor is set up: the pages for it, and what is open to all."""
        if not request.user.is_authenticated or not second_factor.missing(request):
            return None
        source = getattr(view, "cls", None) or getattr(view, "view_class", view)
        if getattr(source, "before_second_factor", False) or getattr(source, "capability", "") == PUBLIC:
            return None
        if request.path.startswith("/api/"):
            return HttpResponseForbidden(
                _("Set up a second factor first."), content_type="text/plain; charset=utf-8"
            )
        return redirect("mfa_activate_totp")


class RequestTransaction:
    """Wraps each request in one transaction with the actor bound, and undoes it when the answer is ≥ 400.

    The whole response is made inside, because templates are rendered late and read rows that the row policies
    hide outside of the transaction.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _commits_by_itself(request.path_info):
            return self.get_response(request)
        return self._in_transaction(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """403 where a row policy refused: a role ended while the request was under way. The API words it itself."""
        if isinstance(error, DatabaseError) and isinstance(error.__cause__, InsufficientPrivilege):
            return HttpResponseForbidden(_("Your role does not permit this."))
        return None

    def _in_transaction(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic(), telling_once():
            if request.user.is_authenticated:
                bind_request(request.user)
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
        return response
