"""What every HTTP endpoint shares: the declared capability, and errors as problem+json (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found
from psycopg.errors import InsufficientPrivilege
from rest_framework import exceptions, renderers, serializers
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from trialsite.core.errors import DomainError, Forbidden, Invalid, NotFound, problem
from trialsite.core.pages import NewestFirst as NewestFirst
from trialsite.core.pages import Pages as Pages


class Declared:
    """Mixin: a view says which capability each of its methods or actions needs.

    `capability` is one name for all, or a mapping from action or lower-case method to name. The permission
    class that settings name reads it; a view without it fails the start-up check and answers 403.
    `own_transaction` marks a view whose service commits by itself before the answer is given.
    `bulk` marks one that takes or gives many rows at once; it is spared by the limit of requests.
    """

    capability: ClassVar[str | Mapping[str, str]] = ""
    own_transaction: ClassVar[bool] = False
    bulk: ClassVar[bool] = False

    def needed(self, action: str | None, method: str) -> str:
        """The capability for this action or method; an empty string where none is declared."""
        if isinstance(self.capability, str):
            return self.capability
        return self.capability.get(action or "") or self.capability.get(method.lower(), "")


class Endpoint(Declared, APIView):
    """Base of plain views."""


class EndpointViewSet(Declared, GenericViewSet[Any]):
    """Base of view sets."""


class Body(serializers.Serializer[Any]):
    """What a request says. A name that it does not know is refused: nobody would notice what is lost with it."""

    def to_internal_value(self, data: Any) -> Any:
        """What was sent, as the service takes it; all faults at once, unknown names among them."""
        sent = data if isinstance(data, Mapping) else {}
        faults: dict[str, Any] = {
            name: [_("There is no such field here.")] for name in sent if name not in self.fields
        }
        try:
            found = super().to_internal_value(data)
        except exceptions.ValidationError as error:
            if not faults or not isinstance(error.detail, dict):
                raise
            raise exceptions.ValidationError({**error.detail, **faults}) from error
        if faults:
            raise exceptions.ValidationError(faults)
        return found


class ProblemRenderer(renderers.JSONRenderer):
    """JSON under the media type that RFC 9457 gives to error answers."""

    media_type = "application/problem+json"


def _problem(code: str, http_status: int, title: str, fields: Mapping[str, Any] | None = None) -> Response:
    body = problem(code, http_status, title, fields)
    return Response(body, status=http_status, content_type="application/problem+json")


def _fields_of(detail: Any) -> dict[str, Any] | None:
    """DRF's nested detail, flattened to {path of the field: sentences}."""
    if not isinstance(detail, dict):
        return {"": [str(part) for part in detail]} if isinstance(detail, list) else None
    flat: dict[str, Any] = {}
    for name, value in detail.items():
        inner = _fields_of(value) or {"": [str(value)]}
        for path, sentences in inner.items():
            flat[f"{name}.{path}" if path else str(name)] = sentences
    return flat


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal becomes problem+json and undoes the request's writes."""
    if isinstance(error, Http404):
        error = NotFound()
    if isinstance(error, DatabaseError) and isinstance(error.__cause__, InsufficientPrivilege):
        # A row policy refused: the role ended while the request was under way.
        error = Forbidden()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, DomainError):
        response = _problem(error.code, error.status, str(error), error.fields)
        if error.retry_after:
            response["Retry-After"] = str(error.retry_after)
    elif isinstance(error, exceptions.ValidationError):
        response = _problem("invalid", 422, str(Invalid()), _fields_of(error.detail))
    elif isinstance(error, exceptions.APIException):
        code = error.get_codes()
        response = _problem(
            code if isinstance(code, str) else "refused", error.status_code, str(error.detail), None
        )
        for header, value in _headers_of(error).items():
            response[header] = value
    else:
        return None
    if transaction.get_connection().in_atomic_block:
        transaction.set_rollback(True)
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Where no view was reached: a problem for programs, a page for people."""
    if request.path.startswith("/api/"):
        return JsonResponse(NotFound().problem(), status=404, content_type="application/problem+json")
    return page_not_found(request, exception)


def _headers_of(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    return headers
