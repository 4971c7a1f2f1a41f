"""Keeps scores beside the records that they are computed from: in the same transaction, so that both always fit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from django.db import connection
from psycopg.types.json import Jsonb

from trialsite.casebook.models import Record
from trialsite.casebook.scores import response, scores_of
from trialsite.casebook.scores.kinds import Answer
from trialsite.casebook.scores.response import Moment
from trialsite.casebook.standing import Other, Reach
from trialsite.core import clock
from trialsite.protocol.definition import Definition, Form, PainResponse
from trialsite.protocol.expression import plain

RESPONSE = "pain_response"
# One statement reads what stands and writes what says something else; by the ORM it was two thirds of a save.
_KEEP: Final = """
INSERT INTO casebook_score AS stands (created_at, computed_at, participant_id, site_id, reveals_arm, record_id, event,
                                      repeat, instrument, name, value, reason, algorithm, inputs)
SELECT g.at, g.at, g.participant, g.site, g.hides, n.record, n.event, n.repeat, n.instrument, n.name, n.value,
       n.reason, n.algorithm, n.inputs
  FROM (SELECT %s::timestamptz AS at, %s::bigint AS participant, %s::bigint AS site, %s::boolean AS hides,
               %s::jsonb AS rows) g,
       jsonb_to_recordset(g.rows) AS n(record bigint, event text, repeat int, instrument text, name text, value text,
                                       reason text, algorithm text, inputs jsonb)
    ON CONFLICT (participant_id, event, instrument, repeat, name) DO UPDATE
   SET (value, reason, algorithm, inputs, computed_at)
     = (excluded.value, excluded.reason, excluded.algorithm, excluded.inputs, excluded.computed_at)
 WHERE (stands.value, stands.reason, stands.algorithm, stands.inputs)
    IS DISTINCT FROM (excluded.value, excluded.reason, excluded.algorithm, excluded.inputs)
"""


@dataclass(frozen=True)
class Computed:
    """One score as it comes out now; `record` where it is of one record alone."""

    event: str
    instrument: str
    repeat: int
    name: str
    value: str
    reason: str
    algorithm: str
    inputs: Mapping[str, Any]
    record: Record | None


def hangs_on(definition: Definition, event: str, form: str) -> Reach:
    """What must be known to `follow` a record of `form` at `event`: what its responses are judged by."""
    wanted = definition.pain_response
    if wanted is None or form not in (wanted.pain_form, wanted.opioid_form):
        return Reach()
    return Reach(
        (wanted.pain_form, wanted.opioid_form), (*wanted.baselines.values(), *_events(wanted, event))
    )


def follow(record: Record, definition: Definition, others: Sequence[Other]) -> None:
    """Bring the scores of `record`, and the responses that hang on it, up to what it says now.

    `others` are what it `hangs_on`. A draft of the pain has no part in any response; one of a drug leaves the dose of
    its day open, but not one that holds nothing.
    """
    form = definition.form(record.form)
    found = list(_scores(record, form, form.score)) if form.score else []
    wanted = definition.pain_response
    if wanted and record.form in (wanted.pain_form, wanted.opioid_form):
        own = Other(record.event, record.form, record.repeat, record.data, record.state)
        rows = [*others] if record.holds_nothing else [*others, own]
        found += _responses(definition, wanted, _events(wanted, record.event), rows)
    if found:
        _keep(record, found)


def _events(wanted: PainResponse, event: str) -> tuple[str, ...]:
    """The events whose responses hang on `event`: it alone, or all where it is a baseline."""
    return tuple(wanted.events) if event in wanted.baselines.values() else (event,)


def answers(form: Form, data: Mapping[str, Mapping[str, Any]]) -> dict[str, Answer]:
    """What was answered, as the algorithms read it; a bound such as `<3` is no answer."""
    return {name: _answer(data.get(name, {})) for name in form.items}


def _answer(stored: Mapping[str, Any]) -> Answer:
    if "si" in stored:
        return None if stored.get("sign") else Fraction(stored["si"])
    value = stored.get("value")
    return frozenset(value) if isinstance(value, list) else value


def _scores(record: Record, form: Form, rule: Mapping[str, Any]) -> Iterator[Computed]:
    given = answers(form, record.data) if record.state != Record.State.DRAFT else {}
    read = _items_of(rule)
    inputs = {name: _shown(answer) for name, answer in given.items() if name in read}
    algorithm = f"{rule['algorithm']} {rule['version']}"
    for one in scores_of(rule, given):
        value = _shown(one.value) if one.value is not None else ""
        yield Computed(
            record.event, form.code, record.repeat, one.name, value, one.reason, algorithm, inputs, record
        )


def _items_of(rule: Mapping[str, Any]) -> set[str]:
    scales = {name for scale in rule.get("scales", ()) for name in scale["items"]}
    return scales | set(rule.get("items", ())) | set(rule.get("roles", {}).values())


def _shown(value: Any) -> Any:
    return plain(value) if isinstance(value, Fraction) else value


def _responses(
    definition: Definition, wanted: PainResponse, events: Sequence[str], rows: Sequence[Other]
) -> Iterator[Computed]:
    """The responses at `events` against each baseline."""
    rows = [row for row in rows if (row.form, row.state) != (wanted.pain_form, Record.State.DRAFT)]
    recorded = {row.event for row in rows if row.state != Record.State.DRAFT}
    moments = {
        event: _moment(rows, definition, wanted, event) for event in recorded | set(wanted.baselines.values())
    }
    points, percent = definition.settings[wanted.points], definition.settings[wanted.percent]
    limits = response.Thresholds(Fraction(points), Fraction(percent, 100))
    inputs: dict[str, Any] = {name: _inputs(moments[baseline]) for name, baseline in wanted.baselines.items()}
    # Which score of pain was read, which of the responses is the endpoint's, and from where on it is one.
    inputs |= {"scale": wanted.pain_item, "reference": wanted.reference, "points": points, "percent": percent}
    for event in wanted.events:
        if event in events and event in recorded:
            now = moments[event]
            for name, baseline in wanted.baselines.items():
                value = response.pain_response(moments[baseline], now, limits)
                known = inputs | {"now": _inputs(now)}
                yield Computed(event, RESPONSE, 1, name, value, "", response.VERSION, known, None)


def _inputs(moment: Moment) -> dict[str, str | None]:
    return {"pain": _shown(moment.pain), "omed": _shown(moment.omed)}


def _moment(rows: Sequence[Other], definition: Definition, wanted: PainResponse, event: str) -> Moment:
    pain = next(
        (row for row in rows if (row.form, row.event, row.repeat) == (wanted.pain_form, event, 1)), None
    )
    worst = _answer(pain.data.get(wanted.pain_item, {})) if pain else None
    doses = [row for row in rows if (row.form, row.event) == (wanted.opioid_form, event)]
    return Moment(
        worst if isinstance(worst, Fraction) else None, _omed(doses, definition.form(wanted.opioid_form))
    )


def _omed(rows: Iterable[Other], form: Form) -> Fraction | None:
    """The sum over all drugs of the day; open as soon as one of them is open or a draft, or none was recorded."""
    rows = list(rows)
    if any(row.state == Record.State.DRAFT for row in rows):
        return None
    doses = [scores_of(form.score or {}, answers(form, row.data))[0].value for row in rows]
    exact = [dose for dose in doses if isinstance(dose, Fraction)]
    return sum(exact, Fraction(0)) if doses and len(exact) == len(doses) else None


def _keep(record: Record, found: Sequence[Computed]) -> None:
    """Write what differs from what stands."""
    rows = [
        {
            "record": one.record.pk if one.record else None,
            "event": one.event,
            "repeat": one.repeat,
            "instrument": one.instrument,
            "name": one.name,
            "value": one.value,
            "reason": one.reason,
            "algorithm": one.algorithm,
            "inputs": one.inputs,
        }
        for one in found
    ]
    # Typed as Any: the stubs do not know what psycopg adapts.
    given: list[Any] = [clock.now(), record.participant_id, record.site_id, record.reveals_arm, Jsonb(rows)]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, given)
