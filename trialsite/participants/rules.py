"""The status of a participant: pure."""

from collections.abc import Mapping
from typing import Final

TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    "registered": frozenset({"consented", "screen_failed", "withdrawn", "dead"}),
    "consented": frozenset({"eligible", "screen_failed", "withdrawn", "dead"}),
    "eligible": frozenset({"operated", "screen_failed", "withdrawn", "dead"}),
    "operated": frozenset({"randomized", "completed", "withdrawn", "dead"}),
    "randomized": frozenset({"completed", "withdrawn", "dead"}),
    "completed": frozenset({"dead"}),
    "screen_failed": frozenset(),
    "withdrawn": frozenset({"dead"}),
    "dead": frozenset(),
}


def may_become(status: str, wanted: str) -> bool:
    """Whether a participant in `status` can become `wanted`."""
    return wanted in TRANSITIONS[status]


def code(site_number: str, running: int) -> str:
    """The pseudonymous code: hospital's number and running number, as `01-003` (ICH E6(R3) 3.16.1)."""
    return f"{site_number}-{running:03d}"


def printable(text: str) -> bool:
    """Whether every sign can be printed; the wide blank that Chinese names are written with counts as such."""
    return all(sign.isprintable() or sign == "\u3000" for sign in text)
