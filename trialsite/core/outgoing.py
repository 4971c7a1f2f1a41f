"""Calls that leave the building go to public addresses only, unless the settings name a private host.

Whoever could make this server call an address of its own network (metadata of a cloud, a neighbour's administration)
would have its rights there: server-side request forgery. Hosts come from settings, never from what someone entered;
this stands behind them. A name is looked up once, and what was looked at is what is called.
"""

import http.client
import ipaddress
import socket
from typing import Any
from urllib import request

from django.conf import settings


class NotCalled(Exception):
    """The address is not one that this server calls."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large; IPv4 inside of IPv6 is judged as what it is."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not ip.is_multicast


def connect(address: tuple[str, int], timeout: Any = None, source: Any = None) -> socket.socket:
    """A TCP line to the host of `address`: to one of the addresses that were looked at, and to no other.

    Raises NotCalled where the name is not known, or where one of its addresses is not public and the host not allowed;
    OSError where none answers.
    """
    host, port = address
    try:
        found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise NotCalled(f"{host} is not known") from error
    if host not in settings.OUTGOING_PRIVATE_HOSTS and not all(map(is_public, found)):
        raise NotCalled(f"{host} leads to an address that is not public")
    for place in found[:-1]:
        try:
            return socket.create_connection((place, port), timeout, source)
        except OSError:
            continue
    return socket.create_connection((found[-1], port), timeout, source)


class _Plain(http.client.HTTPConnection):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._create_connection = connect


class _Secure(http.client.HTTPSConnection):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._create_connection = connect


class _PlainCalls(request.HTTPHandler):
    def http_open(self, req: request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Plain, req)


class _SecureCalls(request.HTTPSHandler):
    def https_open(self, req: request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Secure, req)


class _NoRedirect(request.HTTPRedirectHandler):
    """An answer that sends us elsewhere is an answer; nobody follows it with a token and a telephone number."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def opener() -> request.OpenerDirector:
    """Opens http and https through `connect`: no proxy, no redirect. TLS names and checks the host as always."""
    return request.build_opener(_PlainCalls, _SecureCalls, _NoRedirect, request.ProxyHandler({}))
