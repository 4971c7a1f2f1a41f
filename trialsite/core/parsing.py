"""What every request must be before it is read: no null byte in its address, no nesting without end."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language_from_request, override
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser

from trialsite.core.errors import DomainError, Invalid, NotFound


class BoundedJSONParser(JSONParser):
    """JSON whose nesting exceeds what the interpreter can follow is a parse error, not a defect."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error


class LargeJSONParser(BaseParser):
    """JSON beyond Django's limit for bodies, up to the `upload_limit` of the view, which is asked before reading.

    Not one of DRF's: those are handed the whole body, which Django then measures by the limit for all.
    """

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return json.loads(stream.read(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError("JSON parse error") from error


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def without_null_bytes(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """No name that is stored holds a null byte, and the database refuses even to compare with one.

    To a program the refusal is told like every other, with the parameter's name.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path_info:
            return _refused(request, NotFound())
        if "\x00" in unquote(request.META.get("QUERY_STRING", "")):
            named = [name for name, value in request.GET.items() if "\x00" in f"{name}{value}"]
            with override(get_language_from_request(request)):
                sentence = _("Null characters are not allowed.")
                return _refused(
                    request, Invalid(fields={name.replace("\x00", "␀"): [sentence] for name in named})
                )
        return get_response(request)

    return middleware


def _refused(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    if not request.path_info.startswith("/api/"):
        return HttpResponse(status=404 if isinstance(refusal, NotFound) else 400)
    return JsonResponse(refusal.problem(), status=refusal.status, content_type="application/problem+json")
