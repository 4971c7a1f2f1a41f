"""What an amendment changes: two documents compared part by part, value by value. Pure."""

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
_ORDER: Final = ("trial", "settings", "sites", "criteria", "visits", "forms", "items", "reminders")
# What a reader knows an entry by, and what tells the entries of a list apart.
_TITLES: Final = ("title", "label", "name", "meaning")
_NAMES: Final = ("code", "id", "name")


@dataclass(frozen=True)
class Change:
    """One value: `path` inside the entry, as `hard` or `choices.lytic.label`; `old` or `new` is None where it lacks.

    Values are as the protocol holds them; a text is {"en": …, "zh": …}.
    """

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Difference:
    """One entry that differs, in `part` (trial, settings, sites, criteria, visits, forms, items, reminders).

    `title` is what the entry is called, as {"en": …, "zh": …}, or None. `changes` are its values that differ; of one
    that was added or removed all of them.
    """

    part: str
    code: str
    kind: Literal["added", "removed", "changed"]
    title: Mapping[str, str] | None = None
    changes: tuple[Change, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the entry in which something differs."""
        return tuple(dict.fromkeys(one.path.partition(".")[0] for one in self.changes))


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
        Difference("trial", name, "changed", None, tuple(_changes(name, trial.get(name), amended.get(name))))
        for name in sorted(trial.keys() | amended.keys())
        if name != "version" and trial.get(name) != amended.get(name)
    ]
    return sorted(found, key=lambda one: (_ORDER.index(one.part), one.code, one.kind))


def is_text(value: Any) -> bool:
    """Whether `value` is a text in the protocol's languages."""
    return isinstance(value, Mapping) and set(value) == {"en", "zh"}


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
        before, after = old.get(code), new.get(code)
        if before == after:
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if before is None else "removed" if after is None else "changed"
        )
        entry = after or before or {}
        title = next((entry[name] for name in _TITLES if is_text(entry.get(name))), None)
        changes = tuple(
            change
            for name in sorted({*(before or ()), *(after or ())} - {inside})
            for change in _changes(name, (before or {}).get(name), (after or {}).get(name))
        )
        # An empty entry that came or went is a difference too; a form whose items alone differ is none of its own.
        if changes or kind != "changed":
            yield Difference(part, code, kind, title, changes)


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    """The values in which `old` and `new` differ: objects are compared by field, lists of named entries by name."""
    if old == new:
        return
    before, after = _fields(old), _fields(new)
    if before is None or after is None or not (before or after):
        yield Change(path, old, new)
        return
    names = list(dict.fromkeys([*before, *after]))
    if all(before.get(name) == after.get(name) for name in names):
        yield Change(f"{path}.order", list(before), list(after))
    for name in names:
        yield from _changes(f"{path}.{name}", before.get(name), after.get(name))


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of an object, the entries of a list by name; none where it lacks; None for a value of its own."""
    if value is None:
        return {}
    if isinstance(value, Mapping) and not is_text(value):
        return dict(value)
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        key = next((name for name in _NAMES if all(isinstance(one.get(name), str) for one in value)), None)
        return {one[key]: one for one in value} if key else None
    return None
