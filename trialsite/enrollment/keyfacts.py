"""Key facts (surgery, start and end of treatment, death, withdrawal), saved where the protocol has them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from trialsite.casebook import services as casebook
from trialsite.casebook.models import Record
from trialsite.enrollment.errors import NotInProtocol
from trialsite.participants.models import Participant
from trialsite.protocol.expression import partial_date
from trialsite.protocol.parts import Unplayed
from trialsite.staff.models import User


def save(
    actor: User,
    participant: Participant,
    drives: str,
    values: Mapping[str, Any],
    *,
    repeat: int = 1,
    expected_version: int | None = None,
    reason: str = "",
) -> casebook.Saved:
    """Record the key fact `drives`, called by its step, which decides whether it may be. Raises NotInProtocol."""
    try:
        place = participant.protocol_version.definition.parts.driving(drives)
    except Unplayed as error:
        raise NotInProtocol(step=drives) from error
    return casebook.save_driven_record(
        actor=actor,
        participant=participant,
        event=place.event,
        form=place.form,
        values=values,
        drives=drives,
        repeat=repeat,
        expected_version=expected_version,
        reason=reason,
    )


def day(record: Record) -> dt.date:
    """The date of a key fact whose form's definition makes it required and exact."""
    if record.observed_on is None:
        raise ValueError("a key fact without a date cannot have been saved")
    return record.observed_on


def days(participant: Participant, record: Record) -> tuple[dt.date, dt.date]:
    """The first and the last day on which a key fact can have been: its date may be known in part."""
    span = partial_date(record.data[dated(participant, record)]["value"])
    return span.low, span.high


def dated(participant: Participant, record: Record) -> str:
    """The item that holds the date of a key fact."""
    return participant.protocol_version.definition.form(record.form).observed_item or ""
