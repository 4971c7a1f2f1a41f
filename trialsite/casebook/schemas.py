"""The JSON Schema (2020-12) of the values of a form, as a record over REST or a row of an import takes them: pure.

Whatever is accepted fits it; what it cannot say (ranges, other items, the date of today) is checked on saving.
"""

from collections.abc import Mapping
from typing import Any, Final

from trialsite.casebook.rules import MISSING_REASONS
from trialsite.protocol.definition import Form, Item

_SIGN: Final = "(<=|>=|[<>≤≥])?"
_NUMBER: Final = r"\s*-?[0-9]{1,15}(\.[0-9]{1,10})?\s*"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PARTIAL: Final = r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"
Schema = dict[str, Any]


def schema_of(form: Form) -> Schema:
    """The schema of `values`. Computed items are not entered and stand in it as forbidden."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": form.name.en,
        "type": "object",
        "properties": {name: False if item.derive else _item(item) for name, item in form.items.items()},
        "additionalProperties": False,
    }


def _item(item: Item) -> Schema:
    plain = _plain(item)
    entry: dict[str, Schema] = {"value": plain}
    if item.type in ("integer", "decimal"):
        if item.accepted_units:
            entry["unit"] = {"enum": [*item.accepted_units, None]}
        if item.uln:
            entry["uln"] = {"anyOf": [_number(signed=False), {"enum": ["", None]}]}
    about: Schema = {"title": item.label.en, "description": item.label.zh}
    if item.unit:
        about["x-unit"] = item.unit
    if item.cdash:
        about["x-cdash"] = item.cdash
    shapes: list[Schema] = [
        plain,
        {"type": "object", "properties": entry, "required": ["value"], "additionalProperties": False},
        {"enum": ["", None, []]},
    ]
    if not item.needed:
        shapes.append(
            {
                "type": "object",
                "properties": {"missing": {"enum": sorted(MISSING_REASONS)}},
                "required": ["missing"],
                "additionalProperties": False,
            }
        )
    return about | {"anyOf": shapes}


def _number(*, signed: bool) -> Schema:
    pattern = f"^\\s*{_SIGN if signed else ''}{_NUMBER}$"
    return {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer"}]}


def _plain(item: Item) -> Schema:
    if item.type in ("integer", "decimal"):
        return _number(signed=item.signed)
    if item.type == "choice":
        return {"enum": [choice.code for choice in item.choices]}
    if item.type == "multichoice":
        return {"type": "array", "items": {"enum": [choice.code for choice in item.choices]}}
    return dict(_TEXTS[item.type]) if item.type != "date" else _date(item)


def _date(item: Item) -> Schema:
    return {"type": "string", "pattern": f"^{_PARTIAL if item.partial else _DAY}$"}


_TEXTS: Final[Mapping[str, Schema]] = {
    "text": {"type": "string", "maxLength": 4000},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
    "datetime": {"type": "string", "minLength": 10},
}
