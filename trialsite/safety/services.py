"""The steps of a report after its first entry: each notes a time on its form, through the door of clinical data."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, Literal

from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import Saved, save_record
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.participants.models import Participant
from trialsite.safety import reading, rules
from trialsite.safety.errors import StillOpen, TimeRefused
from trialsite.staff.access import require
from trialsite.staff.capabilities import RECORD_EDIT
from trialsite.staff.models import User

Step = Literal["to_sponsor", "onward", "complete", "close"]
STEPS: Final[Mapping[Step, str]] = {
    "to_sponsor": rules.ITEMS["to_sponsor"],
    "onward": rules.ITEMS["onward"],
    "complete": rules.ITEMS["complete"],
    "close": "closedat",
}


def note(*, actor: User, record: Record, step: Step, at: dt.datetime, seen: int, reason: str = "") -> Saved:
    """Enter at which instant a report was made, or the case closed, on the version `seen` of its form.

    Raises TimeRefused, StillOpen, and what saving a record raises: VersionConflict, ReasonNeeded, Locked.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=record.site_id)
        participant = Participant.objects.lock(record.participant_id)
        fresh = Record.objects.visible_to(actor).filter(pk=record.pk, form=rules.REPORT).first()
        if fresh is None:
            raise NotFound
        now = clock.now()
        aware = rules.aware(fresh.data)
        if at > now or (aware is not None and rules.before(at, aware)):
            raise TimeRefused(fields={"at": [str(TimeRefused.message)]})
        if step == "close":
            _require_all_told(fresh, now)
        local = clock.local(at, fresh.participant.site.timezone)
        return save_record(
            actor=actor,
            participant=participant,
            event=fresh.event,
            form=fresh.form,
            repeat=fresh.repeat,
            values={STEPS[step]: local.isoformat(timespec="seconds")},
            expected_version=seen,
            reason=reason,
            complete=fresh.state == Record.State.COMPLETE,
            partial=True,
        )


def _require_all_told(record: Record, now: dt.datetime) -> None:
    found = reading.report(record, reading.periods(), now)
    if found.stage != "settled" or record.state != Record.State.COMPLETE:
        raise StillOpen
