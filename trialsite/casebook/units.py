"""Units for people. Symbols are the same in every language; those that are words of English are not."""

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

_WORDS: Final = {
    "days": gettext_noop("days"),
    "weeks": gettext_noop("weeks"),
    "months": gettext_noop("months"),
    "years": gettext_noop("years"),
    "ratio": gettext_noop("ratio"),
}


def in_words(unit: str | None) -> str:
    """The unit in the reader's language; empty where there is none."""
    return _(_WORDS[unit]) if unit in _WORDS else unit or ""
