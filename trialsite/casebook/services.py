"""Saving records: the one door of clinical data."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import amending, checks, limits, messages, order, reviewing, rules, scoring
from trialsite.casebook import values as facts_of
from trialsite.casebook.errors import (
    DrivenForm,
    FormAmended,
    NoSuchForm,
    NotYetConsented,
    ReasonNeeded,
    ValuesRefused,
    VersionConflict,
)
from trialsite.casebook.models import Query, Record
from trialsite.core import clock
from trialsite.participants.errors import UseOfDataWithdrawn
from trialsite.participants.models import Participant, Withdrawal
from trialsite.protocol import expression
from trialsite.protocol.definition import Definition, Form, Unknown
from trialsite.protocol.expression import Observation
from trialsite.staff import signatures
from trialsite.staff.access import require
from trialsite.staff.capabilities import ARM_SEE, END_RECORD, RECORD_EDIT, SURGERY_RECORD
from trialsite.staff.models import User


@dataclass(frozen=True)
class Saved:
    """A record after saving, its open queries, whether anything changed, and how many signatures fell by it."""

    record: Record
    queries: list[Query]
    changed: bool
    fallen: int = 0


def save_record(
    *,
    actor: User,
    participant: Participant,
    event: str,
    form: str,
    values: Mapping[str, Any],
    repeat: int = 1,
    expected_version: int | None = None,
    reason: str = "",
    complete: bool = True,
    partial: bool = False,
) -> Saved:
    """Save a form. The same content again changes nothing and gives the same answer.

    With `partial`, items that `values` does not name stay as they are, and one that is None there is taken away.
    `expected_version` is the version that the editor saw; a record that exists changes only from that version.
    Raises ValuesRefused naming the items, VersionConflict, ReasonNeeded, DrivenForm, NoSuchForm, NotYetConsented.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=participant.site_id)
        definition = participant.protocol_version.definition
        described = _form_at(definition, event, form)
        if described.drives:
            raise DrivenForm(form=described.name.en)
        if tells_arm(definition, event, described):
            require(actor, ARM_SEE, site=participant.site_id)
        if partial:
            values = _merged(participant, event, described, repeat, values)
        return _save(actor, participant, event, described, values, repeat, expected_version, reason, complete)


def save_driven_record(
    *,
    actor: User,
    participant: Participant,
    event: str,
    form: str,
    values: Mapping[str, Any],
    drives: str,
    expected_version: int | None = None,
    reason: str = "",
    repeat: int = 1,
) -> Saved:
    """Save the form of a key fact, complete. Called by enrollment's step for it, which decides whether it may be.

    A correction names the version that it corrects, and the reason.
    """
    with acting(actor, reason=reason):
        require(
            actor,
            END_RECORD if drives in ("death", "withdrawal") else SURGERY_RECORD,
            site=participant.site_id,
        )
        described = _form_at(participant.protocol_version.definition, event, form)
        if described.drives != drives:
            raise DrivenForm(form=described.name.en)
        return _save(actor, participant, event, described, values, repeat, expected_version, reason, True)


def tells_arm(definition: Definition, event: str, form: Form) -> bool:
    """Whether knowing that this form is filled in at this event is knowing the arm."""
    return form.reveals_arm or definition.visit(event).reveals_arm


def _form_at(definition: Definition, event: str, form: str) -> Form:
    try:
        if form in definition.visit(event).forms:
            return definition.form(form)
    except Unknown:
        pass
    raise NoSuchForm(form=form, event=event)


def _save(
    actor: User,
    participant: Participant,
    event: str,
    form: Form,
    values: Mapping[str, Any],
    repeat: int,
    expected_version: int | None,
    reason: str,
    complete: bool,
) -> Saved:
    locked = Participant.objects.lock(participant.pk)
    if locked.status == "registered" and not form.drives:
        raise NotYetConsented(participant=locked.code)
    require_use_of_data(locked, form)
    definition = locked.protocol_version.definition
    record = _standing(locked, event, form, repeat)
    if record and record.protocol_version_id != locked.protocol_version_id:
        _require_same_questions(record, form)
    around = facts_of.around(locked, definition, form, event)
    data = _read(locked, definition, form, values, around, complete=complete)
    dated = observed_on(form, data)
    order.require_after_consent(locked, form, data, dated)
    state = Record.State.COMPLETE if complete else Record.State.DRAFT
    # What was complete before may stand on what was corrected since; a draft has never been held to the order.
    if record is None or record.state == Record.State.DRAFT or record.observed_on != dated:
        order.require_before_key_facts(locked, event, form, dated)
    if record and record.data == data and record.state == state:
        return Saved(record, list(record.queries.open()), changed=False)
    content: dict[str, Any] = {
        "data": data,
        "state": state,
        "observed_on": dated,
        "updated_by": actor,
        "updated_at": clock.now(),
    }
    if record:
        content["protocol_version_id"] = locked.protocol_version_id
        content["reveals_arm"] = record.reveals_arm or tells_arm(definition, event, form)
    reviewing.require_unlocked(
        participant=locked.pk, event=event, record=record, old=record.data if record else {}, new=data
    )
    made = record is None
    if record is None:
        if expected_version not in (None, 0):
            raise VersionConflict(present=0, expected=expected_version)
        # Before the row comes: the trigger behind this tells nobody how many fell.
        fallen = reviewing.follow_new(locked, f"new: {event}/{form.code}: {reason}")
        record = Record.objects.create(
            participant=locked,
            site_id=locked.site_id,
            protocol_version_id=locked.protocol_version_id,
            event=event,
            form=form.code,
            repeat=repeat,
            reveals_arm=tells_arm(definition, event, form),
            **content,
        )
    else:
        fallen = _change(record, content, expected_version, reason)
    queries = _follow_queries(record, form, definition, around, made=made)
    scoring.follow(record, definition)
    fallen += _refresh_readers(actor, record, definition)
    return Saved(record, queries, changed=True, fallen=fallen)


def _require_same_questions(record: Record, form: Form) -> None:
    """Raise FormAmended; a form that drives a key fact is sent whole by its step, and nothing of it is taken over."""
    old = record.protocol_version
    if not form.drives and not amending.same_questions(old.definition.form(form.code), form):
        raise FormAmended(form=form.name.en, version=old.version)


def plan_migration(participant: Participant, record: Record) -> amending.Migration | None:
    """What bringing the record over to the participant's version would do; None where there is nothing to do."""
    if record.protocol_version_id == participant.protocol_version_id:
        return None
    old, definition = record.protocol_version, participant.protocol_version.definition
    form = _form_at(definition, record.event, record.form)
    before = old.definition.form(form.code)
    if form.drives or amending.same_questions(before, form):
        return None
    values = amending.carried(before, form, record.data)
    reading = rules.read_values(
        form,
        values,
        now=clock.local(clock.now(), participant.site.timezone),
        complete=False,
        limits=limits.for_values(participant, definition, form, values),
    )
    around = facts_of.around(participant, definition, form, record.event)
    return amending.migration(before, form, record.data, reading=reading, around=around, rule=definition.rule)


def migrate_record(*, actor: User, record: Record, expected_version: int | None, reason: str) -> Saved:
    """Bring a record over to the version of the protocol that its participant is bound to now.

    What the amended form takes over stays as it was entered; what it does not ask or not accept leaves the record and
    stands in the trail. A complete record that does not answer all of the new form becomes a draft. Where the new
    version tells the arm, the record hides, and with it all that hangs on it. Once brought over, nothing more happens.
    Raises VersionConflict, ReasonNeeded, NoSuchForm where the version has no such form there.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=record.site_id)
        participant = Participant.objects.lock(record.participant_id)
        record = Record.objects.select_related("protocol_version").get(pk=record.pk)
        plan = plan_migration(participant, record)
        if plan is None:
            return Saved(record, list(record.queries.open()), changed=False)
        definition = participant.protocol_version.definition
        form = definition.form(record.form)
        hides = record.reveals_arm or tells_arm(definition, record.event, form)
        if hides:
            require(actor, ARM_SEE, site=record.site_id)
        require_use_of_data(participant, form)
        reviewing.require_unlocked(
            participant=participant.pk, event=record.event, record=record, old=record.data, new=plan.data
        )
        content = {
            "data": plan.data,
            "state": record.state if plan.whole else Record.State.DRAFT,
            "observed_on": observed_on(form, plan.data),
            "protocol_version_id": participant.protocol_version_id,
            "reveals_arm": hides,
            "updated_by": actor,
            "updated_at": clock.now(),
        }
        fallen = _change(record, content, expected_version, reason)
        record.refresh_from_db()
        around = facts_of.around(participant, definition, form, record.event)
        queries = _follow_queries(record, form, definition, around)
        scoring.follow(record, definition)
        fallen += _refresh_readers(actor, record, definition)
        return Saved(record, queries, changed=True, fallen=fallen)


def _standing(participant: Participant, event: str, form: Form, repeat: int) -> Record | None:
    rows = Record.objects.filter(participant=participant, event=event, form=form.code, repeat=repeat)
    record = rows.order_by("pk").first()
    if record:
        record.participant = participant
    return record


def require_use_of_data(participant: Participant, form: Form | None) -> None:
    """After a withdrawal of the use of data nothing is captured but a death, and a withdrawal sent again."""
    if form and form.drives in ("death", "withdrawal"):
        return
    level = Withdrawal.Level.DATA
    ended = Withdrawal.objects.filter(participant=participant, level=level).order_by("pk").first()
    if ended:
        raise UseOfDataWithdrawn(participant=participant.code, day=ended.on)


def _merged(
    participant: Participant, event: str, form: Form, repeat: int, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The entries that stand, with `changes` laid over them; under the participant's lock."""
    locked = Participant.objects.lock(participant.pk)
    record = _standing(locked, event, form, repeat)
    return {**(rules.entered(record.data, form) if record else {}), **changes}


@dataclass(frozen=True)
class Trial:
    """Entries as they would be read, before anything is saved: what can be stored, what is at fault, what applies."""

    data: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, list[str]]
    not_asked: frozenset[str]


def try_values(*, participant: Participant, event: str, form: Form, values: Mapping[str, Any]) -> Trial:
    """Read entries as a draft without saving them."""
    definition = participant.protocol_version.definition
    reading = rules.read_values(
        form,
        values,
        now=clock.local(clock.now(), participant.site.timezone),
        complete=False,
        limits=limits.for_values(participant, definition, form, values),
    )
    around = facts_of.around(participant, definition, form, event)
    facts = {**around, **checks.own_facts(form, reading.data)}
    faults = checks.faults(form, reading, facts, definition.rule, complete=False)
    return Trial(
        checks.with_computed(form, reading.data, facts, definition.rule),
        messages.worded(faults),
        frozenset(
            name for name, item in form.items.items() if checks.asked(item, facts, definition.rule) is False
        ),
    )


def _read(
    participant: Participant,
    definition: Definition,
    form: Form,
    values: Mapping[str, Any],
    around: Mapping[str, Observation],
    *,
    complete: bool,
) -> dict[str, Mapping[str, Any]]:
    """`values` as they are stored, computed items among them. Raises ValuesRefused, naming the items."""
    reading = rules.read_values(
        form,
        values,
        now=clock.local(clock.now(), participant.site.timezone),
        complete=complete,
        limits=limits.for_values(participant, definition, form, values),
    )
    facts = {**around, **checks.own_facts(form, reading.data)}
    faults = checks.faults(form, reading, facts, definition.rule, complete=complete)
    if faults:
        raise ValuesRefused(fields=messages.worded(faults))
    return checks.with_computed(form, reading.data, facts, definition.rule)


def _change(record: Record, content: Mapping[str, Any], expected_version: int | None, reason: str) -> int:
    """Change a record from the version that the editor saw; returns how many signatures fell."""
    if expected_version != record.version:
        raise VersionConflict(present=record.version, expected=expected_version or "–")
    if record.state == Record.State.COMPLETE and not reason.strip():
        raise ReasonNeeded(fields={"reason": [_("A reason is needed.")]})
    return _put(record, content, f"{record.event}/{record.form}: {reason}")


def _put(record: Record, content: Mapping[str, Any], why: str) -> int:
    # Before the row changes: the trigger behind this knows less of why.
    fallen = signatures.fall(covers=[("record", record.pk)], reason=why)
    names = set(record.data) | set(content["data"])
    reviewing.follow_change(record, [n for n in names if record.data.get(n) != content["data"].get(n)], why)
    for name, value in content.items():
        setattr(record, name, value)
    record.version += 1
    record.save()
    return fallen


def _refresh_readers(actor: User, saved: Record, definition: Definition) -> int:
    """Compute and question anew the forms whose expressions name items of the form just saved."""
    fallen = 0
    readers = definition.readers_of(saved.form)
    if not readers:
        return 0
    rows = Record.objects.filter(participant=saved.participant_id, form__in=readers).order_by("pk")
    for record in rows.select_related("protocol_version").defer("protocol_version__document"):
        record.participant = saved.participant
        form = definition.form(record.form)
        if record.protocol_version_id != saved.protocol_version_id:
            own = record.protocol_version.definition
            if not amending.same_questions(own.form(record.form), form):
                # It waits to be brought over, and is computed and questioned then.
                continue
        around = facts_of.around(record.participant, definition, form, record.event)
        facts = {**around, **checks.own_facts(form, record.data)}
        data = checks.with_computed(form, record.data, facts, definition.rule)
        if data != record.data:
            content = {"data": data, "updated_by": actor, "updated_at": clock.now()}
            why = f"{record.event}/{record.form}: computed anew from {saved.event}/{saved.form}"
            with acting(actor, reason=why):
                reviewing.require_unlocked(
                    participant=record.participant_id,
                    event=record.event,
                    record=record,
                    old=record.data,
                    new=data,
                )
                fallen += _put(record, content, why)
        _follow_queries(record, form, definition, around)
    return fallen


def observed_on(form: Form, data: Mapping[str, Mapping[str, Any]]) -> dt.date | None:
    """The date that dates the values of `data`, where it is exact."""
    stored = data.get(form.observed_item or "", {}).get("value")
    if not stored:
        return None
    span = expression.partial_date(str(stored))
    return span.low if span.exact else None


def _follow_queries(
    record: Record,
    form: Form,
    definition: Definition,
    around: Mapping[str, Observation],
    *,
    made: bool = False,
) -> list[Query]:
    """Open a query for each doubt, close those whose doubt is gone; returns those that wait, the newest first.

    A record `made` just now has none yet, and is not asked for them.
    """
    facts = {**around, **checks.own_facts(form, record.data)}
    doubts = [*checks.questions(form, record.data, facts, definition.rule)]
    criteria = definition.open_by_dates(form.code)
    if criteria and record.event in definition.parts.screening and record.state != Record.State.DRAFT:
        t0 = facts_of.surgery(definition, facts) or clock.today(record.participant.site.timezone)
        facts["t0"] = Observation(expression.day(t0))
        doubts += checks.undecided(form, record.data, facts, criteria, definition.rule)
    found = {doubt.check_id: doubt for doubt in doubts}
    known = [] if made else list(record.queries.order_by("-created_at", "-pk"))
    waiting = [query for query in known if query.state != Query.State.CLOSED]
    standing = {query.check_id: query for query in waiting if query.origin == Query.Origin.CHECK}
    gone = [query.pk for check_id, query in standing.items() if check_id not in found]
    if gone:
        Query.objects.filter(pk__in=gone).update(state="closed", closed_at=clock.now())
    accepted = _accepted(known)
    new = [
        Query(
            record=record,
            participant_id=record.participant_id,
            site_id=record.site_id,
            item=doubt.item,
            check_id=check_id,
            text_en=doubt.text.en,
            text_zh=doubt.text.zh,
            entry=record.data.get(doubt.item),
            reveals_arm=record.reveals_arm,
        )
        for check_id, doubt in found.items()
        if check_id not in standing and (check_id, record.data.get(doubt.item)) not in accepted
    ]
    Query.objects.bulk_create(new)
    return [*reversed(new), *(query for query in waiting if query.pk not in gone)]


def _accepted(known: Sequence[Query]) -> list[tuple[str, Any]]:
    """(check, entry) that a person has closed: not asked again while the entry is the same."""
    return [
        (query.check_id, query.entry)
        for query in known
        if query.origin == Query.Origin.CHECK
        and query.state == Query.State.CLOSED
        and query.closed_by_id is not None
    ]
