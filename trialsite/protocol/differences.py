"""What an amendment changes: two documents compared part by part. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Document = Mapping[str, Any]
_KEYS: Final = {
    "forms": "code",
    "visits": "code",
    "criteria": "id",
    "reminders": "kind",
    "sites": "code",
}


@dataclass(frozen=True)
class Difference:
    """One change: in `part` (forms, items, visits, criteria, settings, reminders, sites, trial), of the entry `code`.

    `fields` names what changed inside an entry that stands in both.
    """

    part: str
    code: str
    kind: Literal["added", "removed", "changed"]
    fields: tuple[str, ...] = ()


def between(old: Document, new: Document) -> list[Difference]:
    """Every difference, in the order of the parts. Nothing differs but the version: an empty list."""
    found: list[Difference] = []
    for part, key in _KEYS.items():
        before, after = _by(old.get(part, ()), key), _by(new.get(part, ()), key)
        found += _compared(part, before, after, inside="sections" if part == "forms" else "")
        if part == "forms":
            for code in before.keys() & after.keys():
                found += _compared("items", _items(before[code]), _items(after[code]))
    trial, amended = dict(old["trial"]), dict(new["trial"])
    found += _compared("settings", trial.pop("settings", {}), amended.pop("settings", {}))
    found += [
        Difference("trial", name, "changed")
        for name in sorted(trial.keys() | amended.keys())
        if name != "version" and trial.get(name) != amended.get(name)
    ]
    return sorted(found, key=lambda one: (_order(one.part), one.code, one.kind))


def _order(part: str) -> int:
    return ("trial", "settings", "sites", "criteria", "visits", "forms", "items", "reminders").index(part)


def _by(entries: Any, key: str) -> dict[str, Document]:
    return {entry[key]: entry for entry in entries}


def _items(form: Document) -> dict[str, Document]:
    return {
        f"{form['code']}.{item['name']}": item for section in form["sections"] for item in section["items"]
    }


def _compared(
    part: str, old: Mapping[str, Document], new: Mapping[str, Document], *, inside: str = ""
) -> Iterator[Difference]:
    """`inside` is a field that is compared elsewhere, entry by entry."""
    for code in old.keys() | new.keys():
        if code not in old:
            yield Difference(part, code, "added")
        elif code not in new:
            yield Difference(part, code, "removed")
        else:
            before, after = old[code], new[code]
            names = [
                name
                for name in sorted(before.keys() | after.keys())
                if name != inside and before.get(name) != after.get(name)
            ]
            if names:
                yield Difference(part, code, "changed", tuple(names))
