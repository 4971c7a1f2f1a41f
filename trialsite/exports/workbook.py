"""A snapshot as a workbook, written row by row: numbers, dates, instants and times as such, all else as text.

Dates and instants that a spreadsheet cannot hold (before 1 March 1900) stay text, and so does every date that may be
partial. An instant stands in UTC, and says so.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Final

import psycopg

from trialsite.exports import codebook
from trialsite.exports.columns import Cell
from trialsite.exports.models import Snapshot
from trialsite.exports.reading import as_rows
from trialsite.exports.tables import Table

Wanted = list[tuple[Table, Any]]
Books = Mapping[str, list[list[str]]]
# The longest text that a cell holds, and the last row of a sheet.
_LONGEST: Final = 32_767
_LAST: Final = 1_048_575
_FORMATS: Final[Mapping[Cell, str]] = {
    "date": "yyyy-mm-dd",
    "instant": 'yyyy-mm-dd hh:mm:ss "UTC"',
    "time": "hh:mm",
}
# Before this day spreadsheets count wrongly: they hold 1900 for a leap year.
_FIRST: Final = dt.date(1900, 3, 1)


class TooManyRows(Exception):
    """A table has more rows than a sheet; CSV holds any number."""


def write(
    file: IO[bytes], apart: psycopg.Connection[Any], wanted: Wanted, books: Books, snapshot: Snapshot
) -> dict[str, int]:
    """One sheet for each table but the long one, the code book and the code lists. Returns rows by sheet.

    Text stays text: nothing that was entered is taken for a formula or an address. Raises TooManyRows.
    """
    counts: dict[str, int] = {}
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    import xlsxwriter  # here: reading it would slow the start of every process

    with xlsxwriter.Workbook(file, options) as made:
        formats = {cell: made.add_format({"num_format": shape}) for cell, shape in _FORMATS.items()}
        bold = made.add_format({"bold": True})
        for table, statement in wanted:
            if table.name != "long":  # it may have more rows than a sheet, and belongs into CSV
                cells = [column.cell for column in table.columns]
                with as_rows(apart, statement) as (names, rows):
                    counts[table.name] = sheet(made, table.name, names, cells, rows, formats, bold)
        for name, lines in books.items():
            heads = codebook.BOOKS[name]
            counts[name] = sheet(made, name, heads, ["text"] * len(heads), iter(lines), formats, bold)
    return counts


def sheet(
    made: Any,
    name: str,
    names: Sequence[str],
    cells: Sequence[Cell],
    rows: Iterator[Sequence[Any]],
    formats: Mapping[Cell, Any],
    bold: Any,
) -> int:
    """Write one sheet row by row; returns how many rows. Raises TooManyRows."""
    page = made.add_worksheet(name[:31])
    page.freeze_panes(1, 0)
    page.write_row(0, 0, names, bold)
    for place, cell in enumerate(cells):
        if cell in ("date", "instant"):
            page.set_column(place, place, 24 if cell == "instant" else 11)
    number = 0
    for number, row in enumerate(rows, start=1):
        if number > _LAST:
            raise TooManyRows(name)
        for place, (value, cell) in enumerate(zip(row, cells, strict=True)):
            found = typed(value, cell)
            if isinstance(found, str):
                page.write_string(number, place, found[:_LONGEST])
            elif isinstance(found, dt.date | dt.time):
                page.write_datetime(number, place, found, formats[cell])
            elif found is not None:
                page.write_number(number, place, found)
    return number


def typed(value: Any, cell: Cell) -> Any:
    """A value as a cell of this kind holds it; text where the kind cannot hold it."""
    if isinstance(value, str) and cell in _READ:
        with suppress(ValueError):
            value = _READ[cell](value)
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if value.date() >= _FIRST else value.isoformat()
    if isinstance(value, dt.date):
        return value if value >= _FIRST else value.isoformat()
    return value


_READ: Final[Mapping[Cell, Callable[[str], Any]]] = {
    "date": dt.date.fromisoformat,
    "instant": dt.datetime.fromisoformat,
    "time": dt.time.fromisoformat,
}
