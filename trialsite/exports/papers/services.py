"""Printing: what is given out is noted in the trail with the hash of the file."""

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.booklet import Booklet, Printed
from trialsite.core.errors import NotFound
from trialsite.exports.papers import blank, casebook, narrative, review
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form, Unknown
from trialsite.protocol.models import ProtocolVersion
from trialsite.safety import reading
from trialsite.staff.access import has, require, sites_of
from trialsite.staff.capabilities import ARM_SEE, PROTOCOL_VIEW, RECORD_VIEW
from trialsite.staff.models import User


def casebook_pdf(*, actor: User, participant: Participant) -> Printed:
    """The casebook of `participant` as far as `actor` may see it. Raises TooManyPages."""
    with acting(actor):
        require(actor, RECORD_VIEW, site=participant.site_id)
        content = casebook.read(actor, participant)
        book = _booklet(actor, participant, _("Casebook"), content.definition.version)
        casebook.draw_records(book, content)
        review.draw_review(book, content, actor)
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


def narrative_pdf(*, actor: User, report: Record) -> Printed:
    """The report of a serious adverse event, the record of its form. Raises NotFound for any other record."""
    with acting(actor):
        participant = Participant.objects.visible_to(actor).with_protocol().get(pk=report.participant_id)
        require(actor, RECORD_VIEW, site=participant.site_id)
        content = casebook.read(actor, participant)
        found = next((one for one in content.records if one.pk == report.pk), None)
        if found is None or not reading.Named().is_report(found):
            raise NotFound
        book = _booklet(actor, participant, _("Serious adverse event"), content.definition.version)
        narrative.draw(book, content, found, clock.now())
        printed = book.finish()
        _noted(actor, participant, "narrative", printed)
    return printed


def blank_forms_pdf(*, actor: User, form: str = "", visit: str = "", participant: str = "") -> Printed:
    """Empty forms: one, those of a visit, or all; of the participant's protocol version where a code is given.

    Forms and visits that would tell the arm are left out for whoever may not see it. Raises NotFound for what is not
    in the protocol, or not for this reader.
    """
    with acting(actor):
        require(actor, PROTOCOL_VIEW)
        whose = Participant.objects.visible_to(actor).by_code(participant) if participant else None
        version = whose.protocol_version if whose else ProtocolVersion.objects.current()
        if version is None:
            raise NotFound
        sees_arms = has(actor, ARM_SEE, site=whose.site_id) if whose else sites_of(actor, ARM_SEE) != []
        chosen = _chosen(version.definition, form, visit, sees_arms)
        name = _("Blank forms")
        book = Booklet(
            title=f"{version.trial_id} {name}",
            head=("", ""),
            foot=f"TrialSite · {clock.now():%Y-%m-%d %H:%M:%S} UTC · {actor.full_name}",
        )
        whose_words = f"{_('Participant')} {participant or '_' * 16}"
        for described in chosen:
            book.head = (
                f"{described.name.to(get_language() or 'en')} · {described.code} · {whose_words}",
                f"{version.trial_id} · {_('Protocol version')} {version.version} ({version.sha256[:12]})",
            )
            blank.draw(book, described, code=participant, event=visit)
        return book.finish()


def _chosen(definition: Definition, form: str, visit: str, sees_arms: bool) -> list[Form]:
    """The forms asked for, in the order of the protocol."""
    try:
        event = definition.visit(visit) if visit else None
        found = list(definition.forms_at(visit)) if event else list(definition.forms)
        if form:
            found = [one for one in found if one.code == definition.form(form).code]
    except Unknown as error:
        raise NotFound from error
    found = [one for one in found if sees_arms or not one.reveals_arm]
    if not found or (event and event.reveals_arm and not sees_arms):
        raise NotFound
    return found
