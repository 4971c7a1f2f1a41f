"""Records of a form that an amendment changed: what the new form takes over, and what it asks anew. Pure.

A record stands under the version of the protocol that it was filled in with. Where the participant has been bound to a
newer one by consent, and the form asks other questions there, nobody edits the record before somebody has brought it
over and seen what becomes of each entry (ICH E6(R3) 4.2.2: changes to data are attributable and explained).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trialsite.casebook import checks, rules
from trialsite.casebook.rules import Fault, Reading
from trialsite.protocol.definition import Form, Item
from trialsite.protocol.expression import Facts


@dataclass(frozen=True)
class Migration:
    """What becomes of a record's entries under the amended form.

    `data` is what the new form takes over; `gone` names entries that it does not ask for, `refused` those that it does
    not accept as they are, `asked` the questions that a complete form must answer and this one does not yet.
    """

    data: Mapping[str, Mapping[str, Any]]
    gone: tuple[str, ...]
    refused: Mapping[str, Fault]
    asked: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the entries answer the new form as it is."""
        return not self.refused and not self.asked


def same_questions(old: Form, new: Form) -> bool:
    """Whether every stored entry means the same on both forms; labels, ranges and order may differ."""
    return set(old.items) == set(new.items) and all(same_question(old, new, name) for name in new.items)


def same_question(old: Form, new: Form, name: str) -> bool:
    """Whether both forms have the item, and a stored entry of it means the same on both."""
    if name not in old.items or name not in new.items:
        return False
    return old is new or _shape(old.items[name]) == _shape(new.items[name])


def carried(old: Form, new: Form, data: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The entries that the new form asks for too, as they could be entered again."""
    return {name: entry for name, entry in rules.entered(data, old).items() if name in new.items}


def migration(
    old: Form,
    new: Form,
    data: Mapping[str, Mapping[str, Any]],
    *,
    reading: Reading,
    around: Facts,
    rule: checks.Rule,
) -> Migration:
    """What becomes of the entries `data` of `old`: `reading` is `carried` as a draft of `new`, `around` other forms."""
    facts = {**around, **checks.own_facts(new, reading.data)}
    faults = checks.faults(new, reading, facts, rule, complete=True)
    asked = {name for name, fault in faults.items() if fault.code == "required"}
    refused = {name: fault for name, fault in faults.items() if name not in asked}
    kept = {name: entry for name, entry in reading.data.items() if name not in refused}
    return Migration(
        data=checks.with_computed(new, kept, {**around, **checks.own_facts(new, kept)}, rule),
        gone=tuple(sorted(set(rules.entered(data, old)) - set(new.items))),
        refused=refused,
        asked=tuple(name for name in new.items if name in asked),
    )


def _shape(item: Item) -> tuple[Any, ...]:
    return (
        item.type,
        item.unit,
        dict(item.accepted_units),
        {choice.code for choice in item.choices},
        item.uln,
        item.signed,
        item.partial,
        item.derive,
    )
