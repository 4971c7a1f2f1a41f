"""Which of several records counts for a visit."""

from collections import defaultdict
from dataclasses import dataclass

from trialsite.audit.context import Actor
from trialsite.casebook.models import Record
from trialsite.protocol.definition import Unknown
from trialsite.protocol.models import ProtocolVersion
from visits import rules
from visits.models import Visit


def rule_names(language: str) -> dict[str, str]:
    """What the rules of reminders are called, by kind: as the newest version that has the rule names it."""
    versions = ProtocolVersion.objects.defer("document").order_by("pk")
    rules_of = [rule for version in versions for rule in version.definition.reminders]
    return {rule.kind: rule.name.to(language) for rule in rules_of if rule.name}


@dataclass(frozen=True)
class Counting:
    """The records of one form that lie at a visit or, unscheduled, in its window; `chosen` counts in the analysis."""

    form: str
    chosen: Record | None
    others: list[Record]


def counting_records(actor: Actor, visit: Visit) -> list[Counting]:
    """For each form of the visit the record that counts, by `rules.counting`, and those that do not."""
    definition = visit.participant.protocol_version.definition
    try:
        forms = definition.visit(visit.code).forms
    except Unknown:
        # An amendment has dropped the visit: it collects nothing any more.
        return []
    rows = Record.objects.visible_to(actor).filter(
        participant_id=visit.participant_id, form__in=forms, observed_on__isnull=False
    )
    found: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in rows.filter(event__in=[visit.code, definition.parts.unscheduled.code]):
        at_visit = record.event == visit.code
        if at_visit or (record.observed_on and visit.window.holds(record.observed_on)):
            found[record.form][record.pk] = record
    return [_counting(visit, form, found[form]) for form in forms]


def _counting(visit: Visit, form: str, records: dict[int, Record]) -> Counting:
    candidates = [
        rules.Candidate(record.pk, record.observed_on, record.event == visit.code)
        for record in records.values()
        if record.observed_on
    ]
    counts = rules.counting(candidates, visit.target_on)
    return Counting(
        form,
        records[counts.key] if counts else None,
        [record for key, record in records.items() if counts is None or key != counts.key],
    )
