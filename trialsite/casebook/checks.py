"""What is computed, asked and doubted over the entries of a form: pure, by the expressions of its definition."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from trialsite.casebook.rules import Fault, Limit, Reading, likely_unit, observation
from trialsite.protocol.definition import Criterion, Form, Item, Text
from trialsite.protocol.expression import Compiled, Facts, Observation, Span, plain, rounded

Rule = Callable[[str], Compiled]
Data = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Question:
    """A doubt about an entry: it is recorded all the same, and asked."""

    check_id: str
    item: str
    text: Text


def own_facts(form: Form, data: Data) -> dict[str, Observation]:
    """The entries of a form as facts, without regard to their age."""
    return {
        f"{form.code}.{name}": observation(form.items[name], stored, taken_on=None, stale=False, source="")
        for name, stored in data.items()
        if name in form.items and not form.items[name].derive
    }


def with_computed(form: Form, data: Data, facts: Facts, rule: Rule) -> dict[str, Mapping[str, Any]]:
    """`data` with the computed items of `form` as they come out now; what cannot be computed is left out."""
    found = {name: stored for name, stored in data.items() if not form.items[name].derive}
    for name, item in form.items.items():
        value = rule(item.derive).evaluate(facts).value if item.derive else None
        if isinstance(value, Span) and value.exact:
            entry = {"value": plain(rounded(value.low, item.decimals)), "computed": True}
            found[name] = entry | ({"unit": item.unit} if item.unit else {})
    return found


def asked(item: Item, facts: Facts, rule: Rule) -> bool | None:
    """Whether the item applies; None while that is unknown."""
    return True if item.show_if is None else rule(item.show_if).evaluate(facts).value


def faults(form: Form, reading: Reading, facts: Facts, rule: Rule, *, complete: bool) -> dict[str, Fault]:
    """The faults of `reading`, with what is required but open, and what contradicts other entries."""
    found = dict(reading.faults)
    for check in form.checks:
        if check.refuse and rule(check.expression).evaluate(facts).value is True:
            found.setdefault(check.item, Fault("check", {"en": check.message.en, "zh": check.message.zh}))
    if complete:
        for name, item in form.items.items():
            if item.required and not item.derive and name not in reading.data and asked(item, facts, rule):
                found.setdefault(name, Fault("required"))
    return found


def questions(form: Form, data: Data, facts: Facts, rule: Rule) -> Iterator[Question]:
    """What is to be asked about `data`: values outside their soft range, answers that do not apply, checks."""
    for name, stored in data.items():
        item = form.items[name]
        if item.soft and _number(stored) is not None and not item.soft.holds(_number(stored) or Fraction(0)):
            yield Question(f"soft:{name}", name, _soft(item, stored))
        if item.soft and "uln_si" in stored and not item.soft.holds(Fraction(stored["uln_si"])):
            yield Question(f"uln:{name}", name, _soft_limit(item, stored))
        if asked(item, facts, rule) is False:
            yield Question(f"skip:{name}", name, _skip(item))
    for check in form.checks:
        if not check.refuse and rule(check.expression).evaluate(facts).value is True:
            yield Question(check.id, check.item, check.message)


def against_register(form: Form, data: Data, limits: Mapping[str, Limit]) -> Iterator[Question]:
    """Limits of normal that somebody entered, though the hospital's register has another one for the day."""
    for name, stored in data.items():
        limit = limits.get(name)
        if limit and "uln_si" in stored and Fraction(stored["uln_si"]) != limit.si:
            item = form.items[name]
            unit = f" {item.unit}" if item.unit else ""
            other = f"{plain(limit.si)}{unit}"
            yield Question(
                f"register:{name}",
                name,
                Text(
                    f"{item.label.en}: the hospital's register has {other} as upper limit of normal for this day. "
                    "Please check.",
                    f"{item.label.zh}：本院登记的当日正常值上限为 {other}，请核对。",
                ),
            )


def undecided(
    form: Form, data: Data, facts: Facts, criteria: Iterable[Criterion], rule: Rule
) -> Iterator[Question]:
    """Dates known in part that alone leave a criterion open: whether its ends agree hangs on what is not known yet."""
    found: dict[str, list[str]] = {}
    for criterion in criteria:
        missing = rule(criterion.rule).evaluate(facts).missing
        for name in missing if set(missing.values()) == {"partial"} else ():
            code, _, item = name.partition(".")
            if code == form.code and item in data and form.items[item].partial:
                found.setdefault(item, []).append(criterion.id)
    for item, ids in found.items():
        label, named = form.items[item].label, ", ".join(ids)
        yield Question(
            f"partial:{item}",
            item,
            Text(
                f"{label.en}: only part of the date is known, which leaves {named} undecided. Is more known?",
                f"{label.zh}：日期不完整，{named} 无法判定，能否补充？",
            ),
        )


def _number(stored: Mapping[str, Any]) -> Fraction | None:
    """The canonical number of an entry; a computed one as it is shown."""
    text = stored.get("si") or (stored["value"] if stored.get("computed") else None)
    return Fraction(text) if text else None


def _soft_limit(item: Item, stored: Mapping[str, Any]) -> Text:
    low, high, unit = _soft_range(item)
    return Text(
        f"{item.label.en}: the upper limit of normal, {stored['uln']}, lies outside {low} to {high}{unit}. "
        "Please check its unit.",
        f"{item.label.zh}：正常值上限 {stored['uln']} 超出 {low} 至 {high}{unit}，请核对单位。",
    )


def _soft_range(item: Item) -> tuple[str, str, str]:
    """Both ends of the soft range, and the unit with a space before it."""
    low, high = (
        (("–" if end is None else plain(end)) for end in (item.soft.low, item.soft.high))
        if item.soft
        else ("", "")
    )
    return low, high, f" {item.unit}" if item.unit else ""


def _soft(item: Item, stored: Mapping[str, Any]) -> Text:
    low, high, unit = _soft_range(item)
    other = (
        None if stored.get("computed") else likely_unit(item, Fraction(stored["value"]), stored.get("unit"))
    )
    return Text(
        f"{item.label.en}: outside {low} to {high}{unit}. "
        + (f"Was it measured in {other}?" if other else "Please check."),
        f"{item.label.zh}：超出 {low} 至 {high}{unit}，"
        + (f"单位是否应为 {other}？" if other else "请核对。"),
    )


def _skip(item: Item) -> Text:
    return Text(
        f"{item.label.en}: answered, though by the other answers it does not apply. Please check.",
        f"{item.label.zh}：根据其他答案，此项不适用，但已填写，请核对。",
    )
