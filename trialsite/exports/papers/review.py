"""The rest of a casebook on paper: what its readers asked, verified, locked, attached and signed, and the trail."""

import json
from typing import Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite.audit.models import Event
from trialsite.casebook.models import Record
from trialsite.core.booklet import WIDTH, Booklet
from trialsite.exports import inquiry, trail
from trialsite.exports.papers.casebook import Content, moment
from trialsite.participants.models import Consent
from trialsite.protocol.definition import Form
from trialsite.staff import signatures
from trialsite.staff.access import has
from trialsite.staff.capabilities import AUDIT_VIEW
from trialsite.staff.models import User

_TWO: Final = (WIDTH * 0.3, WIDTH * 0.7)
_THREE: Final = tuple(WIDTH * part for part in (0.24, 0.22, 0.54))
_CHANGES: Final = ("insert", "update", "delete")


def draw_review(book: Booklet, content: Content, actor: User) -> None:
    """Queries with their threads, verification and locks, attachments, signatures, and every change."""
    _queries(book, content)
    _review(book, content)
    _attached(book, content)
    _signed(book, content)
    _trail(book, content, actor)


def _place(content: Content, record: Record, item: str = "") -> str:
    """Where in the casebook, in words."""
    language = get_language() or "en"
    form: Form = content.definitions[record.protocol_version_id].form(record.form)
    number = f" {record.repeat}" if form.repeating or record.repeat > 1 else ""
    where = f"{record.event} · {form.name.to(language)}{number}"
    if not item:
        return where
    return f"{where} · {form.items[item].label.to(language) if item in form.items else item}"


def _queries(book: Booklet, content: Content) -> None:
    book.heading(_("Queries"))
    if not content.queries:
        book.text(_("None."), grey=True)
    zone = content.participant.site.timezone
    for query in content.queries:
        book.heading(f"{query.pk} · {_place(content, query.record, query.item)}", level=2, keep=30)
        book.table(_THREE)
        opened = moment(query.created_at, zone)
        origin = str(query.get_origin_display())
        book.row(opened, f"{origin} · {query.get_state_display()}", query.text)
        for message in query.thread.all():
            book.row(
                moment(message.created_at, zone),
                f"{message.get_act_display()} · {message.author.full_name}",
                message.text,
            )
        if query.closed_at:
            by = query.closed_by.full_name if query.closed_by else _("closed by the mended entry")
            book.row(moment(query.closed_at, zone), str(query.get_state_display()), by)


def _review(book: Booklet, content: Content) -> None:
    zone = content.participant.site.timezone
    book.heading(_("Verification, freezes and locks"))
    if not content.verifications and not content.locks:
        book.text(_("None."), grey=True)
    widths = tuple(WIDTH * part for part in (0.32, 0.2, 0.2, 0.28))
    if content.verifications:
        book.table(widths, (_("Verified"), _("by"), _("Time"), _("State")))
    for one in content.verifications:
        state = _("standing")
        if one.fallen_at:
            state = f"{_('fallen')} {moment(one.fallen_at, zone)}: {one.fallen_reason}"
        book.row(
            _place(content, one.record, one.item),
            one.verified_by.full_name,
            f"{moment(one.created_at, zone)} · v{one.version}",
            state,
        )
    if content.locks:
        book.gap(6)
        book.table(widths, (_("Freeze or lock"), _("by"), _("Time"), _("Reason")))
    for lock in content.locks:
        where = _place(content, lock.record, lock.item) if lock.record else lock.event
        reason = lock.reason
        if lock.lifted_at and lock.lifted_by:
            lifted = f"{_('lifted')} {moment(lock.lifted_at, zone)}, {lock.lifted_by.full_name}"
            reason += f" · {lifted}: {lock.lift_reason}"
        book.row(
            f"{lock.get_kind_display()}: {lock.get_level_display()} {where}".strip(),
            lock.placed_by.full_name,
            moment(lock.created_at, zone),
            reason,
        )


def _attached(book: Booklet, content: Content) -> None:
    """The files by name, size and hash; they are kept apart, and whoever holds one can compare it."""
    book.heading(_("Attachments"))
    if not content.attachments:
        book.text(_("None."), grey=True)
        return
    zone = content.participant.site.timezone
    # A hash stands on one line, to be found and copied whole.
    widths = tuple(WIDTH * part for part in (0.16, 0.64, 0.2))
    book.table(widths, (_("Belongs to"), _("File, SHA-256"), _("Added")))
    for one in content.attachments:
        where = _place(content, one.record) if one.record else _consent(one.consent)
        file = _("{title} ({type}, {size} bytes)").format(
            title=one.title, type=one.content_type, size=one.size
        )
        added = f"{one.added_by.full_name}, {moment(one.created_at, zone)}"
        if one.withdrawn_at and one.withdrawn_by:
            ended = f"{_('withdrawn')} {moment(one.withdrawn_at, zone)}, {one.withdrawn_by.full_name}"
            added += f"\n{ended}: {one.withdrawn_reason}"
        book.row(where, f"{file}\n{one.sha256}", added)


def _consent(consent: Consent | None) -> str:
    return f"{_('Consent')} {consent.form_version}" if consent else ""


def _signed(book: Booklet, content: Content) -> None:
    book.heading(_("Electronic signatures"))
    if not content.signatures:
        book.text(_("None."), grey=True)
    for signature in content.signatures:
        lines = signatures.manifest(signature, zone=content.participant.site.timezone)
        if not content.sees_arms and signature.fallen_at:
            # Why it fell may name a form that tells the arm.
            lines[-1] = (lines[-1][0], _("fallen"))
        book.gap(4)
        book.table(_TWO)
        book.room(len(lines) * 14)
        for label, value in lines:
            book.row(str(label), str(value))


def _trail(book: Booklet, content: Content, actor: User) -> None:
    book.heading(_("Audit trail"))
    participant, zone = content.participant, content.participant.site.timezone
    if not has(actor, AUDIT_VIEW, site=participant.site_id):
        book.text(_("Not in this copy: its reader's role does not include the audit trail."), grey=True)
        return
    book.text(
        _("Every change, the first one first. Who looked at data or exported them stands in the system."),
        grey=True,
        size=7.5,
    )
    widths = tuple(WIDTH * part for part in (0.15, 0.16, 0.2, 0.34, 0.15))
    book.table(widths, (_("Time"), _("Person"), _("What"), _("Changes"), _("Reason")))
    found = Event.objects.visible_to(actor).filter(
        inquiry.about(actor, participant.code), action__in=_CHANGES
    )
    for event, lines in trail.Reader(actor).read(found.order_by("pk").iterator(chunk_size=2000)):
        first = lines[0]
        what = [f"{first.what}: {first.action}", *([first.place] if first.place else [])]
        book.row(
            f"{moment(first.at, zone)} {f'#{first.number}' if first.number else ''}".strip(),
            f"{first.person} ({first.roles})" if first.roles else first.person,
            " · ".join(what),
            ("; " if event.action == "insert" else "\n").join(
                _change(line, event.action) for line in lines if line.field
            ),
            first.reason,
            size=7,
        )


def _change(line: trail.Line, action: str) -> str:
    if action == "insert":
        return f"{line.field}: {_short(line.new)}"
    return f"{line.field}: {_short(line.old) or '–'} -> {_short(line.new) or '–'}"


def _short(text: str) -> str:
    """Words of people in full; the inner papers of a program, such as a verdict's tree, by their beginning."""
    if len(text) <= 300 or not _is_json(text):
        return text
    return _("{beginning}… ({length} characters, whole in the system)").format(
        beginning=text[:120], length=len(text)
    )


def _is_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
