"""Attaching, withdrawing and giving out files."""

import hashlib
from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.attachments import sniffing
from trialsite.attachments.errors import AlreadyWithdrawn, Damaged, NotAccepted, TooMany
from trialsite.attachments.models import Attachment, AttachmentContent
from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.casebook.models import Record
from trialsite.casebook.standing import Standing, require_open
from trialsite.core import clock
from trialsite.core.errors import Invalid, NotFound
from trialsite.participants.models import Consent, Participant
from trialsite.protocol.definition import Form
from trialsite.staff.access import has, require
from trialsite.staff.capabilities import ARM_SEE, CONSENT_RECORD, CONTACT_VIEW, RECORD_EDIT, RECORD_VIEW
from trialsite.staff.models import User

MOST_BYTES: Final = 10 * 1024 * 1024
MOST_FILES: Final = 20
_SENTENCES: Final[Mapping[sniffing.Fault, Promise]] = {
    "unknown_type": gettext_lazy(
        "Only PDF, JPEG and PNG are taken. By its content this file is none of them."
    ),
    "broken": gettext_lazy("The file is damaged: it cannot be read to its end."),
    "encrypted": gettext_lazy("The PDF is protected by a password."),
    "active": gettext_lazy("The PDF holds programs or other files. Print it to a plain PDF first."),
    "too_many_pixels": gettext_lazy("The image is too large in pixels."),
    "no_pages": gettext_lazy("The PDF has no page."),
}


def attach(
    *, actor: User, to: Record | Consent, title: str, content: bytes, identifies: bool | None = None
) -> Attachment:
    """Keep a file with a record or a consent. The same bytes at the same place again give the same attachment.

    `identifies`: it shows who the participant is, and is seen by the hospital's team only. A consent always does; of
    other files the form says it where the uploader does not (None). Whoever may not see such files attaches none.
    Raises NotAccepted, TooMany, Locked, UseOfDataWithdrawn, Invalid naming `title` or `identifies`, NotFound.
    """
    with acting(actor):
        _require(actor, to)
        named = title.strip()
        if not named or len(named) > 120 or not named.isprintable():
            raise Invalid(fields={"title": [_("Give a title of at most 120 printable characters.")]})
        kind = _kind(content)
        participant = Participant.objects.lock(to.participant_id)
        record = _record(actor, to) if isinstance(to, Record) else None
        require_open(participant, record=record)
        place = (record.event, record.form, record.repeat) if record else ("", "")
        standing = Standing.around(participant, *place, record=record)
        standing.require_use_of_data(form_of(record) if record else None)
        shows = _shows_who(actor, record, identifies)
        consent = None if isinstance(to, Record) else to
        here = Attachment.objects.standing().filter(record=record, consent=consent)
        digest = hashlib.sha256(content).hexdigest()
        same = here.filter(sha256=digest, identifies=shows).first()
        if same:
            return same
        if here.count() >= MOST_FILES:
            raise TooMany(most=MOST_FILES)
        hidden = {"identifies": shows, "reveals_arm": bool(record and record.reveals_arm)}
        made = Attachment.objects.create(
            participant=participant,
            site_id=participant.site_id,
            record=record,
            consent=consent,
            title=named,
            content_type=kind,
            size=len(content),
            sha256=digest,
            added_by=actor,
            **hidden,
        )
        AttachmentContent.objects.create(
            attachment=made, participant=participant, site_id=participant.site_id, data=content, **hidden
        )
        return made


def withdraw(*, actor: User, attachment: Attachment, reason: str) -> Attachment:
    """Give a file out no more, such as one that belongs to somebody else. Its bytes stay, for the inspection."""
    with acting(actor, reason=reason):
        participant = Participant.objects.lock(attachment.participant_id)
        locked = _again(actor, attachment)
        _require(actor, locked.record or locked.consent)
        if not reason.strip() or len(reason) > 300 or not reason.isprintable():
            raise Invalid(fields={"reason": [_("Give a reason of at most 300 printable characters.")]})
        if locked.withdrawn_at:
            raise AlreadyWithdrawn(reason=locked.withdrawn_reason)
        require_open(participant, record=locked.record)
        locked.withdrawn_at, locked.withdrawn_by = clock.now(), actor
        locked.withdrawn_reason = reason.strip()
        locked.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason"])
        return locked


def give(*, actor: User, attachment: Attachment) -> tuple[str, bytes]:
    """(name, bytes) to save, after they were compared with their hash. The trail tells who took them.

    The name is made of codes: it reaches the disk of whoever saves it.
    """
    with acting(actor):
        found = Attachment.objects.visible_to(actor).filter(pk=attachment.pk).first()
        if found is None:
            raise NotFound
        require(actor, CONTACT_VIEW if found.identifies else RECORD_VIEW, site=found.site_id)
        if found.withdrawn_at:
            raise AlreadyWithdrawn(reason=found.withdrawn_reason)
        data = bytes(AttachmentContent.objects.get(attachment=found).data)
        if hashlib.sha256(data).hexdigest() != found.sha256:
            raise Damaged
        note(
            actor=actor,
            action="view",
            about="attachments_attachment",
            key=found.pk,
            site=found.site_id,
            participant=found.participant_id,
            details={"sha256": found.sha256},
        )
        return f"{found.participant.code}-{found.sha256[:12]}.{sniffing.extension(found.content_type)}", data


def form_of(record: Record) -> Form:
    """The form of a record as it was filled in: the participant's present version may have it no more."""
    return record.protocol_version.definition.form(record.form)


def _shows_who(actor: User, record: Record | None, said: bool | None) -> bool:
    if record is None:
        if said is False:
            raise Invalid(fields={"identifies": [_("The scan of a consent always shows who signed.")]})
        return True
    shows = form_of(record).files_identify if said is None else said
    if shows and not has(actor, CONTACT_VIEW, site=record.site_id):
        sentence = _(
            "You may not see files that show who a participant is. Black out names and numbers, and say so."
        )
        raise Invalid(fields={"identifies": [sentence]})
    return shows


def _kind(content: bytes) -> sniffing.Kind:
    if len(content) > MOST_BYTES:
        raise NotAccepted(fields={"content": [_("At most {most} bytes.").format(most=MOST_BYTES)]})
    try:
        return sniffing.kind_of(content)
    except sniffing.Refused as refused:
        raise NotAccepted(fields={"content": [str(_SENTENCES[refused.fault])]}) from refused


def _require(actor: User, to: Record | Consent | None) -> None:
    if to is None:
        raise NotFound
    if isinstance(to, Record):
        require(actor, RECORD_EDIT, site=to.site_id)
        if to.reveals_arm:
            require(actor, ARM_SEE, site=to.site_id)
        return
    require(actor, CONSENT_RECORD, site=to.site_id)
    require(actor, CONTACT_VIEW, site=to.site_id)


def _record(actor: User, record: Record) -> Record:
    rows = Record.objects.visible_to(actor).select_related("protocol_version")
    found = rows.defer("protocol_version__document").filter(pk=record.pk).first()
    if found is None:
        raise NotFound
    return found


def _again(actor: User, attachment: Attachment) -> Attachment:
    rows = Attachment.objects.visible_to(actor).select_for_update(of=("self",))
    found = rows.select_related("record", "consent").filter(pk=attachment.pk).first()
    if found is None:
        raise NotFound
    return found
