"""Protocol deviations: the one way in which other rooms record that the protocol was not kept."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import get_language, gettext_noop, override
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Text
from trialsite.staff.models import User

ROLE: Final = "deviation"
# The same for what only one arm can breach: whoever may not see arms does not see it.
ARM_ROLE: Final = "arm_deviation"
# What the software itself can find, by code; the record keeps code and parameters, each reader has the sentence.
_SENTENCES: Final[Mapping[str, str]] = {
    "criterion": gettext_noop("{criterion}: {title}"),
    "before_consent": gettext_noop("{event} · {form} is dated before the consent."),
    "not_eligible": gettext_noop("As of the day of surgery, {day}, not every criterion is satisfied."),
    "not_signed": gettext_noop("No signature on eligibility stood on the day of surgery, {day}."),
    "signed_after_surgery": gettext_noop("Eligibility was signed on {day}, after the surgery of {surgery}."),
    "out_of_order": gettext_noop("{event} on {day}: what must come before had not begun."),
    "outside_window": gettext_noop("{visit} on {on}, outside its window from {opens} to {closes}."),
    "before_earlier": gettext_noop("{visit} took place on {on}, before {earlier} on {earlier_on}."),
    "randomized_outside": gettext_noop(
        "Counted from the corrected date of surgery, {day}, the randomization lies outside its days."
    ),
    "other_arm": gettext_noop("{visit} began on {day} in the arm that does not have it."),
    "ended_early": gettext_noop("Treatment ended on {day} before all planned fractions were given."),
    "took_long": gettext_noop(
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
        return _(_SENTENCES[self.code]).format(**worded)


def what(code: str, **params: Any) -> What:
    """A deviation as the software finds it; dates and numbers are kept as texts."""
    return What(
        code,
        {
            name: {"en": value.en, "zh": value.zh} if isinstance(value, Text) else str(value)
            for name, value in params.items()
        },
    )


def told(record: Record) -> str:
    """What happened, in the language of whoever reads; as it was written where a person did."""
    entry = record.data.get("dvterm", {})
    found = entry.get("told")
    return str(What(**found)) if found else str(entry.get("value", ""))


def record(
    *,
    actor: User,
    participant: Participant,
    category: str,
    on: dt.date,
    what: What,
    why: str,
    subject: str = "",
    action: str = "",
    reveals_arm: bool = False,
) -> Record:
    """Record that the protocol was not kept on `on`, as a complete record of the protocol's form of deviations.

    `category` is a code of that form's list; `subject` names the criterion or visit concerned. The same deviation
    again, whatever the words and the language, gives the record that stands. With `reveals_arm` it is hidden from
    whoever may not see arms. Raises ValuesRefused.
    """
    with override("en"):
        sentence = str(what)
    values: dict[str, Any] = {
        "dvstdat": on.isoformat(),
        "dvcat": category,
        "dvterm": sentence,
        "dvreason": why,
    }
    values |= {name: text for name, text in (("dvsubject", subject), ("dvaction", action)) if text}
    found = {"code": what.code, "params": dict(what.params)}
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        place = locked.protocol_version.definition.parts.playing(ARM_ROLE if reveals_arm else ROLE)
        noted = list(
            Record.objects.filter(participant=locked, event=place.event, form=place.form).order_by("repeat")
        )
        for one in noted:
            same = one.data.get("dvsubject", {}).get("value", "") == subject
            if same and one.data.get("dvterm", {}).get("told") == found:
                return one
        saved = save_record(
            actor=actor,
            participant=locked,
            event=place.event,
            form=place.form,
            repeat=noted[-1].repeat + 1 if noted else 1,
            values=values,
            told={"dvterm": found},
        )
        return saved.record
