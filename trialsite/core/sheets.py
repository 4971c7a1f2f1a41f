"""Tables as CSV, streamed."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any


def csv_rows(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """UTF-8 with its mark, so that spreadsheets show Chinese; a value that would be a formula is made a text."""
    line = io.StringIO()
    writer = csv.writer(line)
    mark = "\ufeff"
    for values in rows:
        writer.writerow([harmless(str(value)) for value in values])
        yield mark + line.getvalue()
        mark = ""
        line.seek(0)
        line.truncate()


def harmless(value: str) -> str:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
