"""Calls that leave the building go to public addresses only, unless the settings name a private host.

Whoever could make this server call an address of its own network (metadata of a cloud, a neighbour's administration)
would have its rights there: server-side request forgery.
"""

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

# Seconds that a call to another server may take altogether.
TIMEOUT: Final = 20


class NotCalled(Exception):
    """The address is not one that this server calls."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large; IPv4 inside of IPv6 is judged as what it is."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not ip.is_multicast


def require_public(url: str) -> None:
    """Raise NotCalled unless every address that the host of `url` resolves to now is public, or the host is allowed.

    The name is looked up once more by the call itself: a name server of an attacker could answer otherwise then. Hosts
    come from settings, never from what someone entered, so that this is the second guard and not the first.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in settings.OUTGOING_PRIVATE_HOSTS:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotCalled(f"{host} is not known") from error
    inside = sorted({str(one[4][0]) for one in found if not is_public(str(one[4][0]))})
    if inside:
        raise NotCalled(f"{host} leads to an address that is not public")
