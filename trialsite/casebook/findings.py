"""What the software itself finds that was not kept: a code with parameters, and a sentence for each reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy

from trialsite.protocol.definition import Text

# What the software itself can find, by code; the record keeps code and parameters, each reader has the sentence.
SENTENCES: Final[Mapping[str, Promise]] = {
    "criterion": gettext_lazy("{criterion}: {title}"),
    "before_consent": gettext_lazy("{event} · {form} is dated before the consent."),
    "not_eligible": gettext_lazy("As of the day of surgery, {day}, not every criterion is satisfied."),
    "not_signed": gettext_lazy("No signature on eligibility stood on the day of surgery, {day}."),
    "signed_after_surgery": gettext_lazy("Eligibility was signed on {day}, after the surgery of {surgery}."),
    "out_of_order": gettext_lazy("{event} on {day}: what must come before had not begun."),
    "outside_window": gettext_lazy("{visit} on {on}, outside its window from {opens} to {closes}."),
    "before_earlier": gettext_lazy("{visit} took place on {on}, before {earlier} on {earlier_on}."),
    "randomized_outside": gettext_lazy(
        "Counted from the corrected date of surgery, {day}, the randomization lies outside its days."
    ),
    "envelope": gettext_lazy("An envelope was opened on {day} though this stood against it: {why}"),
    "other_arm": gettext_lazy("{visit} began on {day} in the arm that does not have it."),
    "ended_early": gettext_lazy("Treatment ended on {day} before all planned fractions were given."),
    "took_long": gettext_lazy(
        "The last fraction was given {took} days after the first; the protocol gives {most}."
    ),
}


@dataclass(frozen=True)
class What:
    """What was not kept: a code of the list above and its parameters, each a text or one in both languages."""

    code: str
    params: Mapping[str, str | Mapping[str, str]]

    def __str__(self) -> str:
        """The sentence in the language of whoever reads."""
        language = get_language() or "en"
        worded = {
            name: value if isinstance(value, str) else Text.of(value).to(language)
            for name, value in self.params.items()
        }
        return str(SENTENCES[self.code]).format(**worded)


def what(code: str, **params: Any) -> What:
    """A deviation as the software finds it; dates and numbers are kept as texts."""
    return What(
        code,
        {
            name: {"en": value.en, "zh": value.zh} if isinstance(value, Text) else str(value)
            for name, value in params.items()
        },
    )


def worded(entry: Mapping[str, Any]) -> str | None:
    """The sentence of a stored entry in the language of whoever reads; None where a person wrote it."""
    found = entry.get("told")
    return str(What(**found)) if found else None
