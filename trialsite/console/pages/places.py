"""Where a form stands: its place, what is stored there, and what was posted to it."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from trialsite.casebook import entering, progress
from trialsite.casebook.models import MOST_RECORDS, Record
from trialsite.casebook.rules import entered
from trialsite.console import entry
from trialsite.console.pages.base import OfParticipant
from trialsite.core.errors import NotFound
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.definition import Visit as Event
from trialsite.staff import capabilities
from trialsite.staff.access import has


@dataclass(frozen=True)
class Place:
    """Where a form stands, and what is stored there."""

    participant: Participant
    event: Event
    form: Form
    repeat: int
    record: Record | None
    # Where the participant's version does not ask for the form there any more: that of the record, to be read alone.
    former: Definition | None = None

    @property
    def many(self) -> bool:
        """Whether there may be several records here, told apart by their numbers."""
        definition = self.former or self.participant.protocol_version.definition
        return definition.recurs(self.event.code, self.form)

    def address(self, name: str = "form") -> str:
        """The page `name` of this place."""
        return reverse(name, args=[self.participant.code, self.event.code, self.form.code, self.repeat])


class OfForm(OfParticipant):
    """Base of the pages of one form."""

    capability = capabilities.RECORD_VIEW

    def place(self) -> Place:
        """NotFound for what the protocol does not have there, and for what would tell the arm."""
        participant = self.participant()
        event_code, form_code = self.kwargs["event"], self.kwargs["form"]
        repeat = int(self.kwargs.get("repeat", 1))
        definition, former = participant.protocol_version.definition, None
        rows = Record.objects.visible_to(self.actor).filter(
            participant=participant, event=event_code, form=form_code
        )
        try:
            form = entering.form_at(definition, event_code, form_code, repeat)
        except NotFound:
            there = rows.filter(repeat=repeat) if "repeat" in self.kwargs else rows
            old = there.select_related("protocol_version").first() if repeat <= MOST_RECORDS else None
            if old is None or old.protocol_version_id == participant.protocol_version_id:
                raise
            definition = former = old.protocol_version.definition
            form = entering.form_at(definition, event_code, form_code, repeat)
        event = definition.visit(event_code)
        telling = event.reveals_arm or form.reveals_arm
        if telling and not has(self.actor, capabilities.ARM_SEE, site=participant.site_id):
            raise NotFound
        found = progress.reviewed(rows.filter(repeat=repeat)).first()
        return Place(participant, event, form, repeat, found, former)

    def entries(self, at: Place) -> dict[str, Any]:
        """What was posted; a field under a lock of its own is not sent, and stays as it is stored."""
        values = entry.posted(at.form, self.request.POST, at.participant.site.timezone)
        if at.record is None:
            return values
        stored = entered(at.record.data, at.form)
        values = entry.as_stored(at.form, values, at.record.data)
        fixed = at.record.locks.standing().filter(level="item").values_list("item", flat=True)
        return values | {name: stored[name] for name in fixed if name in stored and name not in values}


def seen_version(request: HttpRequest) -> int | None:
    """The version that the page showed; None where nothing was stored."""
    seen = request.POST.get("version", "")[:9]
    return int(seen) if seen.isdecimal() and seen != "0" else None
