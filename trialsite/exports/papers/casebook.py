"""A participant's casebook on paper: everything recorded, by whom and when, readable without this system."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from randomization import arms
from trialsite.attachments.models import Attachment
from trialsite.casebook import progress, wording
from trialsite.casebook.models import (
    CasebookSignature,
    Lock,
    Query,
    Record,
    Score,
    Verification,
)
from trialsite.casebook.units import in_words
from trialsite.core import clock
from trialsite.core.booklet import WIDTH, Booklet
from trialsite.enrollment.steps import worded
from trialsite.participants.models import Consent, Participant, Withdrawal
from trialsite.protocol.definition import Definition, Item, Unknown
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import has
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import Signature, User
from visits.models import Visit

_TWO: Final = (WIDTH * 0.3, WIDTH * 0.7)
_FOUR: Final = tuple(WIDTH * part for part in (0.34, 0.26, 0.18, 0.22))
_LONG: Final = (WIDTH * 0.34, WIDTH * 0.66)
_FIVE: Final = tuple(WIDTH * part for part in (0.2, 0.14, 0.25, 0.15, 0.26))


@dataclass(frozen=True)
class Content:
    """All that stands in one casebook for one reader, read in a number of statements that does not depend on it."""

    participant: Participant
    definitions: Mapping[int, Definition]
    sees_arms: bool
    arm: str
    records: Sequence[Record]
    scores: Mapping[int | None, Sequence[Score]]
    queries: Sequence[Query]
    verifications: Sequence[Verification]
    locks: Sequence[Lock]
    attachments: Sequence[Attachment]
    signatures: Sequence[Signature]
    consents: Sequence[Consent]
    withdrawals: Sequence[Withdrawal]
    visits: Sequence[Visit]

    @property
    def definition(self) -> Definition:
        """Under which the participant is now."""
        return self.definitions[self.participant.protocol_version_id]


def read(actor: User, participant: Participant) -> Content:
    """The casebook of `participant` as far as `actor` may see it."""
    sees_arms = has(actor, ARM_SEE, site=participant.site_id)
    made = arms.of(actor, participant) if sees_arms else None
    mine: dict[str, Any] = {"participant": participant}
    rows = Record.objects.visible_to(actor).filter(**mine)
    records = list(progress.reviewed(rows).order_by("created_at", "pk"))
    versions = ProtocolVersion.objects.filter(
        pk__in={participant.protocol_version_id, *(one.protocol_version_id for one in records)}
    ).defer("document")
    scores: dict[int | None, list[Score]] = defaultdict(list)
    for score in Score.objects.visible_to(actor).filter(**mine):
        scores[score.record_id].append(score)
    queries = Query.objects.visible_to(actor).filter(**mine).select_related("record", "closed_by")
    verified = Verification.objects.visible_to(actor).filter(**mine).select_related("record", "verified_by")
    return Content(
        participant=participant,
        definitions={version.pk: version.definition for version in versions},
        sees_arms=sees_arms,
        arm=made.arm if made else "",
        records=records,
        scores=scores,
        queries=list(queries.prefetch_related("thread__author").order_by("created_at", "pk")),
        verifications=list(verified.order_by("created_at", "pk")),
        locks=_locks(actor, participant),
        attachments=list(
            Attachment.objects.visible_to(actor)
            .filter(**mine)
            .select_related("record", "consent", "added_by", "withdrawn_by")
        ),
        signatures=_signatures(actor, participant, records),
        consents=list(
            Consent.objects.visible_to(actor)
            .filter(**mine)
            .select_related("obtained_by")
            .order_by("patient_signed_at")
        ),
        withdrawals=list(Withdrawal.objects.visible_to(actor).filter(**mine).select_related("recorded_by")),
        visits=list(Visit.objects.visible_to(actor).filter(**mine)),
    )


def _locks(actor: User, participant: Participant) -> list[Lock]:
    """Freezes and locks, lifted ones too."""
    reach = Q(participant=participant) | Q(participant=None)
    rows = Lock.objects.visible_to(actor).filter(reach).select_related("placed_by", "lifted_by", "record")
    return list(rows.order_by("created_at", "pk"))


def _signatures(actor: User, participant: Participant, records: Iterable[Record]) -> list[Signature]:
    """Signatures over the casebook, an envelope, and those that rest on one of the records; fallen ones too."""
    # Signatures over casebooks are hidden from who may not see arms, here as everywhere.
    books = CasebookSignature.objects.visible_to(actor).filter(participant=participant)
    rests = Q(covered__kind="record", covered__record_id__in=[one.pk for one in records])
    rests |= Q(covered__kind="envelope", covered__record_id=participant.pk)
    found = Signature.objects.visible_to(actor).filter(Q(pk__in=books.values("signature")) | rests)
    return list(found.distinct().order_by("signed_at", "pk"))


def draw_records(book: Booklet, content: Content) -> None:
    """Who it is, every record with its scores, and what is computed over records."""
    _front(book, content)
    for event, records in _by_event(content):
        _event(book, content, event, records)
    if content.scores.get(None):
        book.heading(_("Responses"))
        _responses(book, content.definition, content.scores[None])


def _front(book: Booklet, content: Content) -> None:
    participant, zone = content.participant, content.participant.site.timezone
    language = get_language() or "en"
    book.heading(f"{_('Casebook')} · {participant.code}")
    book.table(_TWO)
    version = content.definition
    book.row(_("Trial"), f"{version.id} · {version.title.to(language)}")
    book.row(_("Protocol version"), version.version)
    book.row(_("Hospital"), f"{participant.site.code} · {participant.site.name}")
    book.row(_("Status"), str(participant.get_status_display()))
    book.row(_("Registered"), moment(participant.created_at, zone))
    draw_arm(book, content)
    book.row(_("Times"), _("on the clock of {zone}, with their distance from UTC").format(zone=zone))
    for consent in content.consents:
        signed = _("patient {patient}, family {family}; obtained by {person}").format(
            patient=moment(consent.patient_signed_at, zone),
            family=moment(consent.family_signed_at, zone),
            person=consent.obtained_by.full_name,
        )
        book.row(f"{_('Consent')} {consent.form_version}", signed)
    for one in content.withdrawals:
        book.row(
            f"{_('Withdrawn from')}: {one.get_level_display()}", f"{one.on} · {one.recorded_by.full_name}"
        )
    if content.visits:
        _planned(book, content, language)


def draw_arm(book: Booklet, content: Content) -> None:
    """A row with the arm, or that it is not told."""
    if content.arm:
        language = get_language() or "en"
        labels = {arm.code: arm.label.to(language) for arm in content.definition.arms}
        book.row(_("Arm"), f"{labels.get(content.arm, content.arm)} ({content.arm})")
    elif not content.sees_arms:
        book.row(_("Arm"), _("Not shown: this copy is for a reader who may not know the arm."))


def _planned(book: Booklet, content: Content, language: str) -> None:
    names = {event.code: event.name.to(language) for event in content.definition.visits}
    book.heading(_("Visits"), level=1)
    book.table(_FIVE, (_("Visit"), _("Target"), _("Window"), _("Attended on"), _("State")))
    for visit in content.visits:
        state = str(visit.get_state_display())
        if visit.attended_on and visit.in_window is False:
            state += f" · {_('outside the window')}"
        if visit.reason:
            state += f" · {worded(visit.reason)}"
        book.row(
            f"{names.get(visit.code, visit.code)}{f' {visit.repeat}' if visit.repeat > 1 else ''}",
            str(visit.target_on),
            f"{visit.opens_on} – {visit.closes_on}",
            str(visit.attended_on or "–"),
            state,
        )


def _by_event(content: Content) -> Iterator[tuple[str, list[Record]]]:
    """(event, its records in the order of the protocol's forms), in the order of the schedule."""
    places = {
        (event.code, form): (number, place)
        for number, event in enumerate(content.definition.visits)
        for place, form in enumerate(event.forms)
    }
    last = (len(places), 0)
    ordered = sorted(
        content.records, key=lambda one: (*places.get((one.event, one.form), last), one.event, one.repeat)
    )
    found: dict[str, list[Record]] = {}
    for record in ordered:
        found.setdefault(record.event, []).append(record)
    yield from found.items()


def _event(book: Booklet, content: Content, event: str, records: Sequence[Record]) -> None:
    language = get_language() or "en"
    try:
        described = content.definition.visit(event)
        name, collected = described.name.to(language), list(content.definition.forms_at(event))
    except Unknown:
        name, collected = event, []
    book.heading(f"{event} · {name}" if name != event else event)
    for record in records:
        draw_record(book, content, record)
    there = {record.form for record in records}
    absent = [
        form.name.to(language)
        for form in collected
        if form.code not in there and (content.sees_arms or not form.reveals_arm)
    ]
    if absent:
        book.gap(4)
        book.text(f"{_('Without a record')}: {', '.join(absent)}", grey=True)


def draw_record(book: Booklet, content: Content, record: Record) -> None:
    """Everything that one record holds, under its heading."""
    definition = content.definitions[record.protocol_version_id]
    form = definition.form(record.form)
    language, zone = get_language() or "en", content.participant.site.timezone
    standing = [lock for lock in content.locks if lock.lifted_at is None]
    state = progress.STATES[progress.reached(record, standing)][1]
    number = f" {record.repeat}" if form.repeating or record.repeat > 1 else ""
    book.heading(f"{form.name.to(language)}{number}", level=1)
    book.text(
        _(
            "Form {form} of protocol {protocol} · {state} · version {version} of the record · {person}, {at}"
        ).format(
            form=form.code,
            state=state,
            version=record.version,
            protocol=definition.version,
            person=record.updated_by.full_name,
            at=moment(record.updated_at, zone),
        ),
        grey=True,
        size=7.5,
    )
    book.table(_FOUR, (_("Item"), _("Entry"), _("Variable"), _("Notes")))
    marks = _marks(content, record)
    for section in form.sections:
        if len(form.sections) > 1:
            book.row(section.label.to(language), "", "", "", bold=True, size=7.5)
        for item in section.items:
            stored = record.data.get(item.name)
            entry = wording.shown(item, stored)
            variable = item.cdash or item.name
            notes = " · ".join([*_details(item, stored), *marks.get(item.name, ())])
            if len(entry) > 80:
                about = f"{variable}{f' · {notes}' if notes else ''}"
                book.row(f"{item.label.to(language)}\n{about}", entry, widths=_LONG)
            else:
                book.row(item.label.to(language), entry, variable, notes)
    for name in sorted(set(record.data) - set(form.items)):
        # An entry whose item the form no longer has is data all the same.
        book.row(
            name, str(record.data[name].get("value", record.data[name])), name, _("no item of this form")
        )
    _scores(book, definition, content.scores.get(record.pk, ()))


def _details(item: Item, stored: Mapping[str, Any] | None) -> Iterator[str]:
    """What belongs to an entry beside its value."""
    if not stored:
        return
    if item.derive:
        yield _("computed")
    if "si" in stored and stored.get("unit") not in (None, item.unit):
        yield f"= {stored['si']} {in_words(item.unit)}".strip()
    if stored.get("uln"):
        yield f"{_('upper limit of normal')} {stored['uln']}"


def _marks(content: Content, record: Record) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for verified in content.verifications:
        if verified.record_id == record.pk and verified.item and verified.fallen_at is None:
            found[verified.item].append(_("verified"))
    for query in content.queries:
        if query.record_id == record.pk:
            found[query.item].append(f"{_('query')} {query.pk} ({query.get_state_display()})")
    for lock in content.locks:
        if lock.record_id == record.pk and lock.item and lock.lifted_at is None:
            found[lock.item].append(str(lock.get_kind_display()))
    return found


def _scores(book: Booklet, definition: Definition, scores: Sequence[Score]) -> None:
    if not scores:
        return
    book.table(_FOUR, (_("Score"), _("Value"), _("Instrument"), _("Algorithm")))
    for score in scores:
        name = wording.score_name(definition, score.instrument, score.name)
        value = wording.score_value(score.value, score.reason)
        book.row(name, value, score.instrument, score.algorithm)
    for inputs in {json.dumps(score.inputs): score.inputs for score in scores if score.inputs}.values():
        book.text(f"{_('Computed from')}: {_inputs(inputs)}", grey=True, size=7)


def _responses(book: Booklet, definition: Definition, scores: Sequence[Score]) -> None:
    """What is computed of the participant rather than of one record."""
    book.table(_FOUR, (_("Event"), _("Value"), _("Score"), _("Algorithm")))
    for score in scores:
        name = wording.score_name(definition, score.instrument, score.name)
        instrument = wording.INSTRUMENTS.get(score.instrument, score.instrument)
        value = wording.score_value(score.value, score.reason)
        book.row(score.event, value, f"{instrument}, {name}", score.algorithm)
        book.row(f"{_('Computed from')}: {_inputs(score.inputs)}", grey=True, size=7, widths=(WIDTH,))


def _inputs(inputs: Mapping[str, Any]) -> str:
    """What a score was computed from, as it was kept with it; a dash where it was not known."""
    return "; ".join(
        f"{name}: {', '.join(f'{part} {_known(one)}' for part, one in value.items())}"
        if isinstance(value, Mapping)
        else f"{name} {_known(value)}"
        for name, value in inputs.items()
    )


def _known(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)


def moment(at: Any, zone: str) -> str:
    """A moment on the hospital's clock with its distance from UTC."""
    return f"{clock.local(at, zone):%Y-%m-%d %H:%M:%S %z}" if at else "–"
