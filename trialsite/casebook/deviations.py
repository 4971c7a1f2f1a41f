"""Protocol deviations: the one way in which other rooms record that the protocol was not kept."""

import datetime as dt
from typing import Any, Final

from django.utils.translation import override

from trialsite.audit.context import acting
from trialsite.casebook.findings import What, worded
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.participants.models import Participant
from trialsite.staff.models import User

ROLE: Final = "deviation"
# The same for what only one arm can breach: whoever may not see arms does not see it.
ARM_ROLE: Final = "arm_deviation"
ROLES: Final = (ROLE, ARM_ROLE)
# The item that says what happened.
TERM: Final = "dvterm"


def told(record: Record) -> str:
    """What happened, in the language of whoever reads; as it was written where a person did."""
    entry = record.data.get(TERM, {})
    return worded(entry) or str(entry.get("value", ""))


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
        TERM: sentence,
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
            if same and one.data.get(TERM, {}).get("told") == found:
                return one
        saved = save_record(
            actor=actor,
            participant=locked,
            event=place.event,
            form=place.form,
            repeat=noted[-1].repeat + 1 if noted else 1,
            values=values,
            told={TERM: found},
        )
        return saved.record
