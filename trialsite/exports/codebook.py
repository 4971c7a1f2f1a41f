"""The code book: what each column of each table means; and the code lists, one row for each code."""

from collections.abc import Iterable, Iterator
from typing import Final

from trialsite.casebook.findings import SENTENCES
from trialsite.exports.columns import Code, Column
from trialsite.exports.dictionary import SIGNS, YES_NO, Plain, coded, missing
from trialsite.exports.tables import Table, tables
from trialsite.protocol.definition import Range, Text
from trialsite.protocol.expression import plain
from trialsite.staff.models import User

NAMES: Final = [
    "table",
    "column",
    "shows",
    "holds",
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
LISTS: Final = ["table", "column", "code", "label_en", "label_zh"]
BOOKS: Final = {"codebook": NAMES, "codelists": LISTS}


def rows(actor: User) -> Iterator[list[str]]:
    """One row for each column, in the order of the tables, under NAMES."""
    reasons = missing()
    for table in tables(actor):
        for column in table.columns:
            yield _row(table, column, codes_of(column, reasons))


def lists(actor: User) -> Iterator[list[str]]:
    """One row for each code of each column, in the order of the tables, under LISTS."""
    reasons = missing()
    for table in tables(actor):
        for column in table.columns:
            for code, label in codes_of(column, reasons):
                yield [table.name, column.name, code, label.en, label.zh]


def written(actor: User, book: str) -> list[list[str]]:
    """The rows of one of BOOKS."""
    return list(rows(actor) if book == "codebook" else lists(actor))


def codes_of(column: Column | Plain, reasons: tuple[Code, ...]) -> tuple[Code, ...]:
    """What may stand in the cells of a column, where that is a list; `reasons` are those of missing answers."""
    if isinstance(column, Plain):
        return column.codes
    match column.kind:
        case "yes_no" | "code":
            return YES_NO
        case "missing":
            return reasons
        case "sign":
            return SIGNS
        case "found":
            return coded(SENTENCES.items())
        case "unit":
            return tuple((unit, Text(unit, unit)) for unit in column.item.accepted_units)
        case "text":
            return tuple((choice.code, choice.label) for choice in column.item.choices)
    return ()


def _row(table: Table, column: Column | Plain, codes: tuple[Code, ...]) -> list[str]:
    told = [_joined(codes, "en"), _joined(codes, "zh")]
    unit = "UTC" if column.cell == "instant" else ""
    if isinstance(column, Plain):
        label = [column.label.en, column.label.zh]
        return [table.name, column.name, "", column.cell, column.cdash, "", unit, *label, *told, *[""] * 4]
    item = column.item
    return [
        table.name,
        column.name,
        column.kind,
        column.cell,
        column.cdash,
        f"{item.type}, may be partial" if item.partial else item.type,
        unit or (item.unit or "" if column.kind in ("number", "uln") else ""),
        column.label.en,
        column.label.zh,
        *told,
        _range(item.hard),
        _range(item.soft),
        "Y" if item.required else "N",
        item.show_if or "",
    ]


def _joined(codes: Iterable[Code], language: str) -> str:
    return "; ".join(f"{code}={label.to(language)}" for code, label in codes)


def _range(limits: Range | None) -> str:
    if limits is None:
        return ""
    low, high = ("" if end is None else plain(end) for end in (limits.low, limits.high))
    return f"{low} to {high}".strip()
