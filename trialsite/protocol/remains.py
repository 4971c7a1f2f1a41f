"""What of a file can be read although its structure does not hold: its expressions are examined all the same."""

from typing import Any

from jsonschema import Draft202012Validator

from trialsite.protocol import schema
from trialsite.protocol.meaning import Rest

Document = dict[str, Any]


def remains(part: str, content: Any) -> Rest:
    """Of a form its items and checks, of the criteria their rules, of the trial its settings."""
    if part.startswith("form:"):
        return _form(part.removeprefix("form:"), content)
    if part == "criteria":
        wanted = schema.PARTS["criteria"]["items"]
        return Rest([_legible(criterion, wanted) for criterion in _list(content)])
    if part == "trial" and isinstance(content, dict) and isinstance(content.get("settings"), dict):
        found = {
            name: _legible(entry, schema.SETTING).get("value") for name, entry in content["settings"].items()
        }
        lost = frozenset(name for name, value in found.items() if value is None)
        return Rest({name: value for name, value in found.items() if value is not None}, lost)
    return Rest()


def _form(code: str, content: Any) -> Rest:
    """A form under the name of its file; an item that has no name and type is lost."""
    form = content if isinstance(content, dict) else {}
    sections = _list(form.get("sections"))
    whole, torn = [], []
    lost: set[str | None] = set()
    for section in sections:
        entries = section.get("items") if isinstance(section, dict) else None
        if not isinstance(entries, list):
            lost.add(None)
        for entry in _list(entries):
            item = _legible(entry, schema.ITEM)
            # Rules read an item's name, type and whether it has an upper limit.
            if not {"name", "type"} <= set(item) or ("uln" in entry and "uln" not in item):
                lost.add(item.get("name"))
            elif _holds(entry, schema.ITEM):
                whole.append(item)
            else:
                torn.append(item)
    rest = {
        "code": code,
        "repeating": form.get("repeating") is True,
        "sections": [{"items": whole}, {"items": torn}],
        "checks": [_legible(check, schema.CHECK) for check in _list(form.get("checks"))],
    }
    return Rest(rest, frozenset(lost) if sections else frozenset({None}))


def _legible(entry: Any, wanted: schema.Schema) -> Document:
    """The keys of an entry whose values have structure."""
    if not isinstance(entry, dict):
        return {}
    known = wanted["properties"]
    return {key: value for key, value in entry.items() if key in known and _holds(value, known[key])}


def _list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else []


def _holds(value: Any, wanted: schema.Schema) -> bool:
    return bool(Draft202012Validator(wanted).is_valid(value))
