"""One transaction per request, rendering included, bound to whoever is signed in."""

import secrets
from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from trialsite.audit.context import Origin, bind_request, coming_from

GetResponse = Callable[[HttpRequest], HttpResponse]


def _commits_by_itself(path: str) -> bool:
    """Whether the view at `path` declares `own_transaction`: its service commits before the answer is given."""
    try:
        view = resolve(path).func
    except Resolver404:
        return False
    declared_by = getattr(view, "cls", None) or getattr(view, "view_class", view)
    return bool(getattr(declared_by, "own_transaction", False))


class RequestTransaction:
    """Wraps each request in one transaction with the actor bound, and undoes it when the answer is ≥ 400.

    The whole response is made inside, because templates are rendered late and read rows that the row policies
    hide outside of the transaction.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = secrets.token_hex(8)
        origin = Origin(
            application="api" if request.path.startswith("/api/") else "web",
            request=request_id,
            address=request.META.get("REMOTE_ADDR", ""),
            session=(request.session.session_key or "")[:8],
        )
        with coming_from(origin):
            if _commits_by_itself(request.path_info):
                response = self.get_response(request)
            else:
                response = self._in_transaction(request)
        response["X-Request-Id"] = request_id
        return response

    def _in_transaction(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            if request.user.is_authenticated:
                bind_request(request.user)
            response = self.get_response(request)
            if response.status_code >= 400:
                transaction.set_rollback(True)
        return response
