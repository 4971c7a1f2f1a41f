"""The status of a participant, codes, and the number of an identity card: pure."""

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal

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


CardFault = Literal["shape", "birth", "check"]
_WHOLE: Final = re.compile(r"[0-9]{17}[0-9x]")
_CHECK_DIGITS: Final = "10x98765432"


def card_number(text: str) -> str:
    """An identity card's number as it is compared: width and case folded, blanks and hyphens gone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if not sign.isspace() and sign != "-")


def card_fault(number: str, birth_date: dt.date) -> CardFault | None:
    """What is wrong with a folded `number`: the last four signs, or all 18 with date of birth and check digit.

    Source: GB 11643-1999; the check digit is ISO 7064 MOD 11-2 over the 17 digits before it.
    """
    if len(number) == 4 and number.isascii() and number.isalnum():
        return None
    if not _WHOLE.fullmatch(number):
        return "shape"
    if number[6:14] != f"{birth_date:%Y%m%d}":
        return "birth"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(number[:17]))
    return None if _CHECK_DIGITS[total % 11] == number[17] else "check"


def printable(text: str) -> bool:
    """Whether every sign can be printed; the wide blank that Chinese names are written with counts as such."""
    return all(sign.isprintable() or sign == "\u3000" for sign in text)
