"""Protocol deviations: the one way in which other rooms record that the protocol was not kept."""

import datetime as dt
from typing import Any, Final

from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.participants.models import Participant
from trialsite.staff.models import User

ROLE: Final = "deviation"
# The same for what only one arm can breach: whoever may not see arms does not see it.
ARM_ROLE: Final = "arm_deviation"


def record(
    *,
    actor: User,
    participant: Participant,
    category: str,
    on: dt.date,
    what: str,
    why: str,
    subject: str = "",
    action: str = "",
    reveals_arm: bool = False,
) -> Record:
    """Record that the protocol was not kept on `on`, as a complete record of the protocol's form of deviations.

    `category` is a code of that form's list; `subject` names the criterion or visit concerned. The same deviation
    again gives the record that stands, so that a repeated request counts it once. With `reveals_arm` it is hidden from
    whoever may not see arms. Raises ValuesRefused.
    """
    values: dict[str, Any] = {"dvstdat": on.isoformat(), "dvcat": category, "dvterm": what, "dvreason": why}
    values |= {name: text for name, text in (("dvsubject", subject), ("dvaction", action)) if text}
    with acting(actor):
        locked = Participant.objects.lock(participant.pk)
        place = locked.protocol_version.definition.parts.playing(ARM_ROLE if reveals_arm else ROLE)
        noted = list(
            Record.objects.filter(participant=locked, event=place.event, form=place.form).order_by("repeat")
        )
        wanted = {name: {"value": value} for name, value in values.items()}
        same = next((one for one in noted if one.data == wanted), None)
        if same:
            return same
        following = noted[-1].repeat + 1 if noted else 1
        saved = save_record(
            actor=actor,
            participant=locked,
            event=place.event,
            form=place.form,
            repeat=following,
            values=values,
        )
        return saved.record
