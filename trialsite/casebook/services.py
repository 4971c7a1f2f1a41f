"""Saving records: the one door of clinical data."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook import messages, rules, scoring
from trialsite.casebook import values as facts_of
from trialsite.casebook.errors import (
    DrivenForm,
    NoSuchForm,
    NotYetConsented,
    ReasonNeeded,
    ValuesRefused,
    VersionConflict,
)
from trialsite.casebook.models import Query, Record
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Definition, Form, Item, Text, Unknown
from trialsite.staff import signatures
from trialsite.staff.access import require
from trialsite.staff.capabilities import ARM_SEE, END_RECORD, RECORD_EDIT, SURGERY_RECORD
from trialsite.staff.models import User


@dataclass(frozen=True)
class Saved:
    """A record after saving, its open queries, and whether anything changed."""

    record: Record
    queries: list[Query]
    changed: bool


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
) -> Saved:
    """Save a form. The same content again changes nothing and gives the same answer.

    `expected_version` is the version that the editor saw; a record that exists changes only from that version.
    Raises ValuesRefused naming the items, VersionConflict, ReasonNeeded, DrivenForm, NoSuchForm, NotYetConsented.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT, site=participant.site_id)
        definition = participant.protocol_version.definition
        described = _form_at(definition, event, form)
        if described.drives:
            raise DrivenForm(form=described.name.en)
        if described.reveals_arm:
            require(actor, ARM_SEE, site=participant.site_id)
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
        return _save(actor, participant, event, described, values, 1, expected_version, reason, True)


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
    reading = rules.read_values(form, values, today=clock.today(locked.site.timezone), complete=complete)
    if reading.faults:
        raise ValuesRefused(fields=messages.worded(reading.faults))
    state = Record.State.COMPLETE if complete else Record.State.DRAFT
    record = Record.objects.filter(participant=locked, event=event, form=form.code, repeat=repeat).first()
    if record and record.data == dict(reading.data) and record.state == state:
        return Saved(record, list(record.queries.open()), changed=False)
    content = {
        "data": dict(reading.data),
        "state": state,
        "observed_on": _observed_on(form, reading.data),
        "updated_by": actor,
        "updated_at": clock.now(),
    }
    if record is None:
        if expected_version not in (None, 0):
            raise VersionConflict(present=0, expected=expected_version)
        record = Record.objects.create(
            participant=locked,
            site_id=locked.site_id,
            protocol_version_id=locked.protocol_version_id,
            event=event,
            form=form.code,
            repeat=repeat,
            reveals_arm=form.reveals_arm,
            **content,
        )
    else:
        _change(record, content, expected_version, reason)
    scoring.follow(record, locked.protocol_version.definition)
    return Saved(record, _follow_queries(record, form, reading), changed=True)


def _change(record: Record, content: Mapping[str, Any], expected_version: int | None, reason: str) -> None:
    if expected_version != record.version:
        raise VersionConflict(present=record.version, expected=expected_version or "–")
    if record.state == Record.State.COMPLETE and not reason.strip():
        raise ReasonNeeded(fields={"reason": [_("A reason is needed.")]})
    # Before the row changes: the trigger behind this knows less of why.
    signatures.fall(covers=[("record", record.pk)], reason=f"{record.event}/{record.form}: {reason}")
    for name, value in content.items():
        setattr(record, name, value)
    record.version += 1
    record.save()


def _observed_on(form: Form, data: Mapping[str, Mapping[str, Any]]) -> dt.date | None:
    stored = data.get(form.observed_item or "", {}).get("value")
    if not stored:
        return None
    span = expression.partial_date(str(stored))
    return span.low if span.exact else None


def _follow_queries(record: Record, form: Form, reading: rules.Reading) -> list[Query]:
    """Open a query for each soft finding, close those whose finding is gone."""
    found = {f"soft:{name}": (name, _soft_text(form.items[name])) for name in reading.soft}
    own = facts_of.of_values(form, reading.data)
    settings = record.protocol_version.definition.settings
    for check in form.checks:
        if expression.evaluate(check.expression, own, settings).value is True:
            found[check.id] = (check.item, check.message)
    standing = {query.check_id: query for query in record.queries.open()}
    for check_id, query in standing.items():
        if check_id not in found:
            Query.objects.filter(pk=query.pk).update(state="closed", closed_at=clock.now())
    for check_id, (item, text) in found.items():
        if check_id not in standing:
            Query.objects.create(
                record=record,
                participant_id=record.participant_id,
                site_id=record.site_id,
                item=item,
                check_id=check_id,
                text_en=text.en,
                text_zh=text.zh,
                reveals_arm=record.reveals_arm,
            )
    return list(record.queries.open())


def _soft_text(item: Item) -> Text:
    low, high = (
        (("–" if end is None else rules.plain(end)) for end in (item.soft.low, item.soft.high))
        if item.soft
        else ("", "")
    )
    unit = item.unit or ""
    return Text(
        f"{item.label.en}: outside {low} to {high} {unit}. Please check.".replace(" .", "."),
        f"{item.label.zh}：超出 {low} 至 {high} {unit}，请核对。",
    )
