"""What follows from a save: queries opened and closed, and other forms computed anew."""

from collections.abc import Mapping, Sequence
from typing import Any

from trialsite.audit.context import acting
from trialsite.casebook import amending, checks, limits, rules
from trialsite.casebook import values as facts_of
from trialsite.casebook.models import Query, QueryMessage, Record
from trialsite.casebook.standing import Standing
from trialsite.core import clock
from trialsite.participants.models import Participant
from trialsite.protocol import expression
from trialsite.protocol.definition import Definition, Form
from trialsite.protocol.expression import Observation
from trialsite.staff.models import User


def put(standing: Standing, content: Mapping[str, Any], why: str) -> int:
    """Change the record around which `standing` was read; returns how many signatures fell."""
    record = standing.record
    assert record is not None  # noqa: S101 -- what changes is there
    names = set(record.data) | set(content["data"])
    # Before the row changes: the trigger behind this knows less of why.
    fallen = standing.fall([n for n in names if record.data.get(n) != content["data"].get(n)], why)
    for name, value in content.items():
        setattr(record, name, value)
    record.version += 1
    record.save(update_fields=[*content, "version"])
    return fallen


def refresh_readers(
    actor: User, participant: Participant, form: str, definition: Definition, *, source: str
) -> int:
    """Compute and question anew the forms whose expressions name items of `form`, just saved at `source`."""
    fallen = 0
    readers = definition.readers_of(form)
    if not readers:
        return 0
    rows = Record.objects.filter(participant=participant, form__in=readers).order_by("pk")
    for record in rows.select_related("protocol_version").defer("protocol_version__document"):
        record.participant = participant
        reader = definition.form(record.form)
        if record.protocol_version_id != participant.protocol_version_id:
            own = record.protocol_version.definition
            if not amending.same_questions(own.form(record.form), reader):
                # It waits to be brought over, and is computed and questioned then.
                continue
        around = facts_of.around(participant, definition, reader, record.event, record.repeat)
        stored: Mapping[str, Any] = record.data
        if form == (definition.sex_item or "").partition(".")[0]:
            # Laboratories divide their limits by sex: those of the other one would be taken for this person's.
            stored = rules.with_register(
                reader, stored, limits.for_values(record.participant, definition, reader, stored)
            )
        facts = {**around, **checks.own_facts(reader, stored)}
        data = checks.with_computed(reader, stored, facts, definition.rule)
        if data != record.data:
            content = {"data": data, "updated_by": actor, "updated_at": clock.now()}
            why = f"{record.event}/{record.form}: computed anew from {source}"
            with acting(actor, reason=why):
                standing = Standing.around(
                    record.participant, record.event, record.form, record.repeat, record=record
                )
                standing.require_unlocked(data)
                fallen += put(standing, content, why)
        follow_queries(record, reader, definition, around)
    return fallen


def follow_planned_day(participant: Participant) -> None:
    """Question anew the dates on which criteria hang: the day from which these count back has moved."""
    definition = participant.protocol_version.definition
    dated = [form.code for form in definition.forms if definition.open_by_dates(form.code)]
    rows = Record.objects.filter(
        participant=participant, event__in=definition.parts.screening, form__in=dated
    ).order_by("pk")
    for record in facts_of.with_own_form(rows):
        form = definition.form(record.form)
        if amending.same_questions(record.protocol_version.definition.form(record.form), form):
            record.participant = participant
            around = facts_of.around(participant, definition, form, record.event, record.repeat)
            follow_queries(record, form, definition, around)


def follow_queries(
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
    if any("uln_si" in entry and "uln_from" not in entry for entry in record.data.values()):
        register = limits.for_values(record.participant, definition, form, record.data)
        doubts += checks.against_register(form, record.data, register)
    criteria = definition.open_by_dates(form.code)
    if criteria and record.event in definition.parts.screening and record.state != Record.State.DRAFT:
        # Never today: what a date leaves open hangs on the surgery, and without a day for it on nothing yet.
        t0 = facts_of.surgery(definition, facts) or record.participant.planned_surgery_on
        facts["t0"] = Observation(expression.day(t0) if t0 else None)
        doubts += checks.undecided(form, record.data, facts, criteria, definition.rule)
    found = {doubt.check_id: doubt for doubt in doubts}
    known = [] if made else list(record.queries.order_by("-created_at", "-pk"))
    waiting = [query for query in known if query.state != Query.State.CLOSED]
    standing = {query.check_id: query for query in waiting if query.origin == Query.Origin.CHECK}
    gone = [query.pk for check_id, query in standing.items() if check_id not in found]
    if gone:
        # One that a person has asked again is that person's to close.
        again = QueryMessage.objects.filter(query__in=gone, act=QueryMessage.Act.REOPEN).values_list(
            "query", flat=True
        )
        gone = list({*gone} - {*again})
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
