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
# The part of the report's form that holds when each was taken.
_ITEM: Final[Mapping[Step, str]] = {
    "to_sponsor": "to_sponsor",
    "onward": "onward",
    "complete": "complete",
    "close": "closed",
}


def note(*, actor: User, record: Record, step: Step, at: dt.datetime, seen: int, reason: str = "") -> Saved:
    """Enter at which instant a report was made, or the case closed, on the version `seen` of its form.

    Raises TimeRefused, StillOpen, and what saving a record raises: VersionConflict, ReasonNeeded, Locked.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=record.site_id)
        participant = Participant.objects.lock(record.participant_id)
        named = reading.Named()
        fresh = Record.objects.visible_to(actor).filter(named.reports, pk=record.pk).first()
        if fresh is None:
            raise NotFound
        now = clock.now()
        found = reading.report(fresh, named, reading.periods(), now)
        if at > now or (found.case.aware is not None and rules.before(at, found.case.aware)):
            raise TimeRefused(fields={"at": [str(TimeRefused.message)]})
        if step == "close" and (found.stage != "settled" or fresh.state != Record.State.COMPLETE):
            raise StillOpen
        local = clock.local(at, fresh.participant.site.timezone)
        return save_record(
            actor=actor,
            participant=participant,
            event=fresh.event,
            form=fresh.form,
            repeat=fresh.repeat,
            values={getattr(named.of(fresh).report, _ITEM[step]): local.isoformat(timespec="seconds")},
            expected_version=seen,
            reason=reason,
            complete=fresh.state == Record.State.COMPLETE,
            partial=True,
        )
