"""Where a form stands: its place, what is stored there, and what was posted to it."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from trialsite.casebook import progress
from trialsite.casebook.models import Record
from trialsite.casebook.rules import entered
from trialsite.console import entry
from trialsite.console.pages.base import OfParticipant
from trialsite.core.errors import NotFound
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form, Unknown
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

    def address(self, name: str = "form") -> str:
        """The page `name` of this place."""
        return reverse(name, args=[self.participant.code, self.event.code, self.form.code, self.repeat])


class OfForm(OfParticipant):
    """Base of the pages of one form."""

    capability = capabilities.RECORD_VIEW

    def place(self) -> Place:
        """NotFound for what the protocol does not have there, and for what would tell the arm."""
        participant = self.participant()
        definition = participant.protocol_version.definition
        repeat = min(int(self.kwargs.get("repeat") or 1), 9999)
        try:
            event, form = definition.visit(self.kwargs["event"]), definition.form(self.kwargs["form"])
        except Unknown as error:
            raise NotFound from error
        telling = event.reveals_arm or form.reveals_arm
        if form.code not in event.forms or repeat < 1 or (repeat > 1 and not form.repeating):
            raise NotFound
        if telling and not has(self.actor, capabilities.ARM_SEE, site=participant.site_id):
            raise NotFound
        rows = Record.objects.visible_to(self.actor).filter(participant=participant, event=event.code)
        found = progress.reviewed(rows.filter(form=form.code, repeat=repeat)).first()
        return Place(participant, event, form, repeat, found)

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
