"""The code book: what each column of each form's table means."""

from collections.abc import Iterator

from trialsite.exports.columns import Column
from trialsite.exports.tables import forms_of
from trialsite.protocol.definition import Item, Range
from trialsite.protocol.expression import plain
from trialsite.staff.models import User

NAMES = [
    "table",
    "column",
    "shows",
    "cdash",
    "type",
    "unit",
    "label_en",
    "label_zh",
    "codes_en",
    "codes_zh",
    "hard_range",
    "soft_range",
    "required",
    "shown_if",
]


def rows(actor: User) -> Iterator[list[str]]:
    """One row for each column, in the order of the tables, under NAMES."""
    for code, _, columns in forms_of(actor):
        for column in columns:
            yield _row(code, column)


def _row(form: str, column: Column) -> list[str]:
    item = column.item
    return [
        form,
        column.name,
        column.kind,
        item.cdash,
        item.type,
        item.unit or "",
        column.label.en,
        column.label.zh,
        _codes(item, column, "en"),
        _codes(item, column, "zh"),
        _range(item.hard),
        _range(item.soft),
        "Y" if item.required else "N",
        item.show_if or "",
    ]


def _codes(item: Item, column: Column, language: str) -> str:
    if column.kind in ("yes_no", "code"):
        return "Y=yes; N=no" if language == "en" else "Y=是; N=否"
    if column.kind != "text":
        return ""
    return "; ".join(f"{choice.code}={choice.label.to(language)}" for choice in item.choices)


def _range(limits: Range | None) -> str:
    if limits is None:
        return ""
    low, high = ("" if end is None else plain(end) for end in (limits.low, limits.high))
    return f"{low} to {high}".strip()
