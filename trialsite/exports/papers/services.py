"""Printing: what is given out is noted in the trail with the hash of the file."""

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.booklet import Booklet, Printed
from trialsite.exports.papers import casebook
from trialsite.participants.models import Participant
from trialsite.staff.access import require
from trialsite.staff.capabilities import RECORD_VIEW
from trialsite.staff.models import User


def casebook_pdf(*, actor: User, participant: Participant) -> Printed:
    """The casebook of `participant` as far as `actor` may see it. Raises TooManyPages."""
    with acting(actor):
        require(actor, RECORD_VIEW, site=participant.site_id)
        content = casebook.read(actor, participant)
        book = _booklet(actor, participant, _("Casebook"), content.definition.version)
        casebook.draw(book, content, actor)
        printed = book.finish()
        _noted(actor, participant, "casebook", printed)
    return printed


def _booklet(actor: User, participant: Participant, name: str, version: str) -> Booklet:
    trial = participant.protocol_version.trial_id
    now = clock.now()
    return Booklet(
        title=f"{trial} {participant.code} {name}",
        head=(f"{participant.code} · {name}", f"{trial} · {_('Protocol version')} {version}"),
        foot=f"TrialSite · {now:%Y-%m-%d %H:%M:%S} UTC · {actor.full_name}",
    )


def _noted(actor: User, participant: Participant, paper: str, printed: Printed) -> None:
    note(
        actor=actor,
        action="export",
        about="casebook_record",
        key=paper,
        site=participant.site_id,
        participant=participant.pk,
        details={"sha256": printed.sha256, "content": printed.content, "pages": printed.pages},
    )
