"""Saving records: the one door of clinical data."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from trialsite.audit.context import acting
from trialsite.casebook import amending, entering, following, order, rules, scoring
from trialsite.casebook import values as facts_of
from trialsite.casebook.errors import (
    AwarenessStands,
    DrivenForm,
    FormAmended,
    NotYetConsented,
    ReasonNeeded,
    StaysComplete,
    VersionConflict,
)
from trialsite.casebook.models import Query, Record
from trialsite.casebook.standing import Standing
from trialsite.core import clock
from trialsite.core.statements import insert
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition, Form
from trialsite.staff.access import has, require
from trialsite.staff.capabilities import (
    ARM_SEE,
    ELIGIBILITY_SIGN,
    END_RECORD,
    RECORD_EDIT,
    SURGERY_RECORD,
)
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
    repeat: int | None = 1,
    expected_version: int | None = None,
    reason: str = "",
    complete: bool = True,
    partial: bool = False,
    told: Mapping[str, Mapping[str, Any]] | None = None,
) -> Saved:
    """Save a form. The same content again changes nothing and gives the same answer.

    With `partial`, items that `values` does not name stay as they are, and one that is None there is taken away.
    `repeat` None is the next free number of a form that repeats: several may add to it at once.
    `expected_version` is the version that the editor saw; a record that exists changes only from that version.
    `told` is kept beside texts that the software wrote, by item: code and parameters behind the sentence, as long as
    the sentence stays.
    Raises ValuesRefused naming the items, VersionConflict, ReasonNeeded, AwarenessStands, StaysComplete, DrivenForm,
    NoSuchForm, NoSuchNumber, NotYetConsented.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=participant.site_id)
        definition = participant.protocol_version.definition
        described = entering.form_at(definition, event, form, 1 if repeat is None else repeat)
        if described.drives:
            raise DrivenForm(form=described.name)
        if entering.tells_arm(definition, event, described):
            require(actor, ARM_SEE, site=participant.site_id)
        return _save(
            actor,
            participant,
            event,
            described,
            values,
            repeat,
            expected_version,
            reason,
            complete,
            partial,
            told or {},
        )


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
        described = entering.form_at(participant.protocol_version.definition, event, form, repeat)
        if described.drives != drives:
            raise DrivenForm(form=described.name)
        return _save(
            actor, participant, event, described, values, repeat, expected_version, reason, complete=True
        )


def _save(
    actor: User,
    participant: Participant,
    event: str,
    form: Form,
    values: Mapping[str, Any],
    repeat: int | None,
    expected_version: int | None,
    reason: str,
    complete: bool,
    partial: bool = False,
    told: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Saved:
    locked = Participant.objects.lock(participant.pk, known=participant)
    if locked.status == "registered" and not form.drives:
        raise NotYetConsented(participant=locked.code)
    definition = locked.protocol_version.definition
    added = repeat is None
    if repeat is None:
        repeat = _next_number(locked, event, form)
        entering.form_at(definition, event, form.code, repeat)
    along = scoring.hangs_on(definition, event, form.code)
    standing = Standing.around(locked, event, form.code, repeat, along=along)
    record = standing.record
    standing.require_use_of_data(form)
    if record and record.protocol_version_id != locked.protocol_version_id:
        _require_same_questions(record, form)
    if partial and record:
        values = {**rules.entered(record.data, form), **values}
    around = facts_of.around(locked, definition, form, event, repeat)
    data = _told(entering.read(locked, definition, form, values, around, complete=complete), record, told)
    dated = entering.observed_on(form, data)
    order.require_after_consent(locked, form, data, dated, standing.consented_at)
    state = Record.State.COMPLETE if complete else Record.State.DRAFT
    # What was complete before may stand on what was corrected since; a draft has never been held to the order.
    if record is None or record.state == Record.State.DRAFT or record.observed_on != dated:
        order.require_before_key_facts(locked, event, form, dated)
    if added:
        # Sent again because the answer was lost, it is the entry that it made.
        sent = Record.objects.filter(participant=locked, event=event, form=form.code, updated_by=actor)
        record = sent.filter(data=data, state=state).first()
    if (
        record
        and record.data == data
        and record.state == state
        and not _takes_over(actor, record, definition)
    ):
        # What it is asked about may have changed around it; under a lock nothing is asked.
        if standing.locks:
            return Saved(record, list(record.queries.open()), changed=False)
        queries = following.follow_queries(record, form, definition, around)
        return Saved(record, queries, changed=False)
    if record and record.state == Record.State.COMPLETE and not complete:
        raise StaysComplete(form=form.name)
    content: dict[str, Any] = {
        "data": data,
        "state": state,
        "observed_on": dated,
        "updated_by": actor,
        "updated_at": clock.now(),
    }
    if record:
        content["protocol_version_id"] = locked.protocol_version_id
        content["reveals_arm"] = record.reveals_arm or entering.tells_arm(definition, event, form)
    standing.require_unlocked(data)
    made = record is None
    if record is None:
        if expected_version not in (None, 0):
            raise VersionConflict(present=0, expected=expected_version)
        # Before the row comes: the trigger behind this tells nobody how many fell.
        fallen = standing.fall((), f"new: {event}/{form.code}: {reason}")
        record = Record(
            participant=locked,
            site_id=locked.site_id,
            protocol_version_id=locked.protocol_version_id,
            event=event,
            form=form.code,
            repeat=repeat,
            reveals_arm=entering.tells_arm(definition, event, form),
            **content,
        )
        insert(record)
    else:
        fallen = _change(standing, record, definition, content, expected_version, reason)
    queries = following.follow_queries(record, form, definition, around, made=made)
    scoring.follow(record, definition, standing.others)
    fallen += following.refresh_readers(
        actor, record.participant, record.form, definition, source=f"{record.event}/{record.form}"
    )
    return Saved(record, queries, changed=True, fallen=fallen)


def _takes_over(actor: User, record: Record, definition: Definition) -> bool:
    """Whether an investigator saves what rests on an investigator's judgement, and somebody else completed before.

    The same answers are then another record: whoever saves them answers for them.
    """
    parts = definition.parts
    if record.form not in parts.judged_again or record.event != parts.randomization.code:
        return False
    judges = partial(has, capability=ELIGIBILITY_SIGN, site=record.site_id)
    return record.state == Record.State.COMPLETE and judges(actor) and not judges(record.updated_by)


def _next_number(locked: Participant, event: str, form: Form) -> int:
    rows = Record.objects.filter(participant=locked, event=event, form=form.code)
    last: int | None = rows.aggregate(last=Max("repeat"))["last"]
    return (last or 0) + 1


def _told(
    data: Mapping[str, Mapping[str, Any]], record: Record | None, told: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """`data` with what stands behind its sentences; where a person changed the words it goes."""
    before = record.data if record else {}
    behind = {
        name: entry["told"]
        for name, entry in before.items()
        if "told" in entry and data.get(name, {}).get("value") == entry["value"]
    } | dict(told)
    return {
        name: {**entry, "told": behind[name]} if name in behind else entry for name, entry in data.items()
    }


def _require_same_questions(record: Record, form: Form) -> None:
    """Raise FormAmended; a form that drives a key fact is sent whole by its step, and nothing of it is taken over."""
    old = record.protocol_version
    if not form.drives and not amending.same_questions(old.definition.form(form.code), form):
        raise FormAmended(form=form.name, version=old.version)


def _change(
    standing: Standing,
    record: Record,
    definition: Definition,
    content: Mapping[str, Any],
    expected_version: int | None,
    reason: str,
) -> int:
    """Change a record from the version that the editor saw; returns how many signatures fell."""
    if expected_version != record.version:
        raise VersionConflict(present=record.version, expected=expected_version or "–")
    if record.needs_reason and not reason.strip():
        raise ReasonNeeded(fields={"reason": [_("A reason is needed.")]})
    aware = definition.safety.report.awareness(record.form, record.data) if definition.safety else None
    if aware and "value" not in content["data"].get(aware, {}) and not reason.strip():
        raise AwarenessStands(fields={"reason": [_("A reason is needed.")], aware: [AwarenessStands.message]})
    return following.put(standing, content, f"{record.event}/{record.form}: {reason}")


def follow_consent(*, actor: User, participant: Participant, reason: str) -> None:
    """Compute and question anew what rests on the times of consent; the caller holds the participant under lock."""
    with acting(actor, reason=reason):
        definition = participant.protocol_version.definition
        following.refresh_readers(actor, participant, "consent", definition, source="consent")


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
        plan = entering.plan_migration(participant, record)
        if plan is None:
            return Saved(record, list(record.queries.open()), changed=False)
        definition = participant.protocol_version.definition
        form = definition.form(record.form)
        hides = record.reveals_arm or entering.tells_arm(definition, record.event, form)
        if hides:
            require(actor, ARM_SEE, site=record.site_id)
        along = scoring.hangs_on(definition, record.event, record.form)
        place = (record.event, record.form, record.repeat)
        standing = Standing.around(participant, *place, record=record, along=along)
        standing.require_use_of_data(form)
        standing.require_unlocked(plan.data)
        content = {
            "data": _told(plan.data, record, {}),
            "state": record.state if plan.whole else Record.State.DRAFT,
            "once_complete": record.once_complete
            or (record.state == Record.State.COMPLETE and not plan.whole),
            "observed_on": entering.observed_on(form, plan.data),
            "protocol_version_id": participant.protocol_version_id,
            "reveals_arm": hides,
            "updated_by": actor,
            "updated_at": clock.now(),
        }
        before = record.protocol_version.definition
        fallen = _change(standing, record, before, content, expected_version, reason)
        record.refresh_from_db()
        around = facts_of.around(participant, definition, form, record.event, record.repeat)
        queries = following.follow_queries(record, form, definition, around)
        scoring.follow(record, definition, standing.others)
        fallen += following.refresh_readers(
            actor, record.participant, record.form, definition, source=f"{record.event}/{record.form}"
        )
        return Saved(record, queries, changed=True, fallen=fallen)
