"""What every request and answer passes: whose address it is, how large it may be, what a browser may do with it."""

import ipaddress
import logging
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _

from trialsite.core.errors import problem

log = logging.getLogger(__name__)
# For whoever sets up the proxy, who may not have chosen a language yet.
_NO_HOP: Final = (
    "TRUSTED_PROXIES: this server answers its reverse proxy alone, which must set X-Forwarded-For.\n"
)
GetResponse = Callable[[HttpRequest], HttpResponse]
_PERMISSIONS: Final = ", ".join(
    f"{name}=()"
    for name in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb", "serial")
)


class ClientAddress:
    """Puts the browser's address in the place of the proxy's, where the settings name how many proxies to believe.

    Each of them appends the address that it saw to X-Forwarded-For; what stands further left anyone may have written.
    An IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2) is that IPv4 address, for the trail and for the limits.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        if 0 < settings.TRUSTED_PROXIES <= len(hops):
            told = hops[-settings.TRUSTED_PROXIES]
            try:
                ipaddress.ip_address(told)
            except ValueError:
                log.warning("refused: X-Forwarded-For names no address, though TRUSTED_PROXIES awaits one")
                return HttpResponse(_NO_HOP, status=400, content_type="text/plain; charset=utf-8")
            request.META["REMOTE_ADDR"] = told
        request.META["REMOTE_ADDR"] = _folded(request.META.get("REMOTE_ADDR", ""))
        return self.get_response(request)


def _folded(told: str) -> str:
    """The address as it is written everywhere; what is none (a socket's empty one) stays as it is."""
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return told
    return str(getattr(address, "ipv4_mapped", None) or address)


class Headers:
    """Refuses bodies that are too large, before anything reads them, and says what a browser may do with the answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            # Nobody could say how large it becomes, and what reads bodies would find it empty.
            return _refused("length_required", 411, _("Send the body with its length (Content-Length)."))
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > _most(request.path_info):
            return _too_large()
        response = self.get_response(request)
        response["Permissions-Policy"] = _PERMISSIONS
        # Browsers are shared: what was shown stays on no disk, and comes back after sign-out for nobody.
        response.setdefault("Cache-Control", "private, no-store")
        for prefix, more in settings.CSP_MORE.items():
            if request.path_info.startswith(prefix):
                response._csp_update = more  # type: ignore[attr-defined]
        return response


def _most(path: str) -> int:
    """Bytes that a request may bring: a view that takes files says so in `upload_limit`."""
    try:
        view = resolve(path).func
    except Resolver404:
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    source = getattr(view, "cls", None) or getattr(view, "view_class", view)
    return int(getattr(source, "upload_limit", settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


def _too_large() -> HttpResponse:
    return _refused("too_large", 413, _("What was sent is too large."))


def _refused(code: str, status: int, title: str) -> HttpResponse:
    return JsonResponse(problem(code, status, title), status=status, content_type="application/problem+json")
