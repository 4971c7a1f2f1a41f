"""From a file to rows of entries: pure. What cannot be read becomes a fault of its row, never of the file.

A CSV is the table that the export writes: `participant` and `event` are needed, `repeat`, `state`, `record_version`,
`trial` and `hospital` are heeded, the other key columns are what the trial knows by itself. Items whose columns the
file lacks stay as they are; an empty cell says that there is no entry. A number stands in the canonical unit under the
item's own name, or as it was entered under `…__entered` with `…__unit`; where both are given they must agree.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from trialsite.casebook.rules import Fault
from trialsite.exports.columns import KEYS, columns_of
from trialsite.protocol.definition import Item
from trialsite.protocol.expression import plain

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_COUNTS: Final = {
    "repeat": re.compile(r"[1-9][0-9]{0,3}"),
    "record_version": re.compile(r"[1-9][0-9]{0,8}"),
}
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,20})?")
# Exported numbers that no decimal ends are rounded to 12 places.
_ROUNDED: Final = Fraction(1, 10**12)
_STATES: Final = {"complete": True, "draft": False, "": True}
_JSON_KEYS: Final = ("participant", "event", "repeat", "state", "record_version", "values")


class Unreadable(Exception):
    """The file as a whole cannot be read: `code`, and the names at fault."""

    def __init__(self, code: str, names: Sequence[str] = ()) -> None:
        super().__init__(code)
        self.code, self.names = code, list(names)


@dataclass(frozen=True)
class Row:
    """One row: which record it is about, the entries that it names (None takes one away), and its faults by column."""

    number: int
    participant: str = ""
    event: str = ""
    repeat: int = 1
    version: int | None = None
    complete: bool = True
    trial: str = ""
    hospital: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, column: str, code: str, /, **params: str) -> None:
        super().__init__(code)
        self.column, self.fault = column, Fault(code, params)


def from_csv(text: str, items: Iterable[Item], *, worded: str = "") -> list[Row]:
    """The rows of a CSV; of the item `worded` the columns with what the software found may stand there too.

    Raises Unreadable for a head that does not fit the form, or text that is not CSV.
    """
    known = list(items)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        raise Unreadable("not_csv", [f"{reader.line_num}"]) from error
    if not lines:
        raise Unreadable("empty")
    head = lines[0]
    allowed = {*KEYS, *(column.name for column in columns_of(known, worded=worded))}
    if odd := [name for name in head if name not in allowed]:
        raise Unreadable("unknown_columns", odd)
    if twice := sorted({name for name in head if head.count(name) > 1}):
        raise Unreadable("columns_twice", twice)
    if lacking := [name for name in ("participant", "event") if name not in head]:
        raise Unreadable("columns_lacking", lacking)
    filled = [cells for cells in lines[1:] if cells]
    return [_from_line(number, head, cells, known) for number, cells in enumerate(filled, start=1)]


def from_list(given: Sequence[Any]) -> list[Row]:
    """The rows of a JSON list; entries are those of a record over REST."""
    return [_from_object(number, one) for number, one in enumerate(given, start=1)]


def _from_line(number: int, head: Sequence[str], cells: Sequence[str], items: Sequence[Item]) -> Row:
    if len(cells) != len(head):
        wrong = {"": Fault("cells", {"found": str(len(cells)), "wanted": str(len(head))})}
        return Row(number, faults=wrong)
    line = dict(zip(head, cells, strict=True))
    values: dict[str, Any] = {}
    faults: dict[str, Fault] = {}
    for item in items:
        if item.derive or not any(column.name in line for column in columns_of([item])):
            continue
        try:
            values[item.name] = _entry(item, line)
        except _Refused as refused:
            faults[refused.column] = refused.fault
    return _with_keys(number, line, values, faults)


def _from_object(number: int, given: Any) -> Row:
    if not isinstance(given, Mapping):
        return Row(number, faults={"": Fault("not_an_object")})
    faults = {_shown(name): Fault("unknown_item") for name in given if name not in _JSON_KEYS}
    values = given.get("values")
    if not isinstance(values, Mapping):
        faults["values"] = Fault("not_an_object")
        values = {}
    keys = {name: given[name] for name in _JSON_KEYS[:5] if given.get(name) is not None}
    line = {name: value if isinstance(value, str) else _digits(value) for name, value in keys.items()}
    return _with_keys(number, line, values, faults)


def _digits(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and value < 10**9 else "?"


def _shown(name: object) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in str(name)[:40]) or "?"


def _with_keys(
    number: int, line: Mapping[str, str], values: Mapping[str, Any], faults: dict[str, Fault]
) -> Row:
    for name in ("participant", "event"):
        if not _CODE.fullmatch(line.get(name, "")):
            faults[name] = Fault("not_a_code")
    for name, count in _COUNTS.items():
        if line.get(name) and not count.fullmatch(line[name]):
            faults[name] = Fault("not_a_count")
    state = line.get("state", "")
    if state not in _STATES:
        faults["state"] = Fault("unknown_choice", {"choices": "complete, draft"})
    if faults:
        participant, event = (
            "" if name in faults else line.get(name, "") for name in ("participant", "event")
        )
        return Row(number, participant, event, faults=faults)
    version = line.get("record_version")
    return Row(
        number,
        line["participant"],
        line["event"],
        int(line.get("repeat") or 1),
        int(version) if version else None,
        _STATES[state],
        line.get("trial", ""),
        line.get("hospital", ""),
        values,
    )


def _entry(item: Item, line: Mapping[str, str]) -> Any:
    """The entry that the columns of an item tell, as a record over REST takes it; None where they are empty."""
    missing = line.get(f"{item.name}__missing", "")
    given = {
        name: line[name] for column in columns_of([item]) if line.get(name := column.name) and name in line
    }
    given.pop(f"{item.name}__missing", None)
    if missing:
        if any(text != "N" or item.type != "multichoice" for text in given.values()):
            raise _Refused(f"{item.name}__missing", "value_and_missing")
        return {"missing": missing}
    if not given:
        return None
    if item.type in ("integer", "decimal"):
        return _number(item, given)
    if item.type == "boolean":
        return _yes(item.name, given[item.name])
    if item.type == "multichoice":
        return [
            choice.code
            for choice in item.choices
            if (name := f"{item.name}__{choice.code}") in given and _yes(name, given[name])
        ]
    return given[item.name]


def _yes(column: str, text: str) -> bool:
    if text not in ("Y", "N"):
        raise _Refused(column, "unknown_choice", choices="Y, N")
    return text == "Y"


def _number(item: Item, given: Mapping[str, str]) -> dict[str, str]:
    name = item.name
    canonical, entered = given.get(name, ""), given.get(f"{name}__entered", "")
    unit = given.get(f"{name}__unit", "")
    if not canonical and not entered:
        raise _Refused(name, "value_lacking")
    if unit and unit not in item.accepted_units:
        # Whoever saves says which units there are.
        return {"value": entered or canonical, "unit": unit}
    if unit and unit != item.unit and not entered:
        raise _Refused(f"{name}__unit", "unit_without_entered", column=f"{name}__entered")
    factor = item.accepted_units.get(unit or item.unit or "", Fraction(1))
    if canonical and entered and not _agree(entered, factor, canonical):
        raise _Refused(name, "contradicts_entered", column=f"{name}__entered")
    entry = {"value": given.get(f"{name}__sign", "") + (entered or canonical)}
    if unit and entered:
        entry["unit"] = unit
    if f"{name}__uln" in given:
        entry["uln"] = _divided(given[f"{name}__uln"], factor if entered else Fraction(1))
    return entry


def _agree(entered: str, factor: Fraction, canonical: str) -> bool:
    if not (_NUMBER.fullmatch(entered) and _NUMBER.fullmatch(canonical)):
        return entered == canonical
    return abs(Fraction(entered) * factor - Fraction(canonical)) <= _ROUNDED


def _divided(text: str, factor: Fraction) -> str:
    """A canonical number in the unit of the entry; what is no number is left for whoever saves to refuse."""
    if not _NUMBER.fullmatch(text):
        return text
    exact = Fraction(text) / factor
    written = plain(exact)
    return written if re.fullmatch(r"-?[0-9]+(\.[0-9]{1,10})?", written) else plain(round(exact, 6))


def without_register(
    values: Mapping[str, Any], register: Mapping[str, Fraction], items: Mapping[str, Item]
) -> dict[str, Any]:
    """`values` without limits of normal that the hospital's register gives all the same: those are not entries."""
    return {name: _less(entry, register.get(name), items.get(name)) for name, entry in values.items()}


def _less(entry: Any, limit: Fraction | None, item: Item | None) -> Any:
    uln = entry.get("uln") if isinstance(entry, Mapping) else None
    if limit is None or item is None or not isinstance(uln, str) or not _NUMBER.fullmatch(uln):
        return entry
    unit = entry.get("unit") or item.unit or ""
    factor = item.accepted_units.get(unit, Fraction(1)) if isinstance(unit, str) else Fraction(1)
    if abs(Fraction(uln) * factor - limit) > _ROUNDED:
        return entry
    return {key: value for key, value in entry.items() if key != "uln"}


def batches(rows: Sequence[Row], done: int, size: int) -> Iterator[Sequence[Row]]:
    """The rows after the first `done`, `size` at a time."""
    for start in range(done, len(rows), size):
        yield rows[start : start + size]
