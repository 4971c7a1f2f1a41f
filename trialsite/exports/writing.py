"""Writing the file of a snapshot."""

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import xlsxwriter
from django.conf import settings

from trialsite.audit.context import acting, present_settings
from trialsite.audit.models import Seal
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.exports import codebook
from trialsite.exports.models import Snapshot
from trialsite.exports.reading import as_csv, as_rows, lines, still
from trialsite.exports.tables import Table, tables
from trialsite.staff.access import require
from trialsite.staff.capabilities import DATA_EXPORT

log = logging.getLogger(__name__)
# The longest text that a cell holds.
_CELL: Final = 32_767
Wanted = list[tuple[Table, Any]]


def write_snapshot(*, number: int) -> Snapshot:
    """Write the file of a snapshot that waits; one that is ready stays as it is. Reads as whoever asked for it."""
    snapshot = Snapshot.objects.select_related("requested_by").get(pk=number)
    if snapshot.state == Snapshot.State.READY:
        return snapshot
    actor = snapshot.requested_by
    folder = Path(settings.EXPORTS)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = folder / f".{snapshot.file_name}.{os.getpid()}"
    try:
        with acting(actor):
            given = present_settings(actor)
            require(actor, DATA_EXPORT)
            wanted = [(table, table.statement(actor)) for table in tables(actor)]
            book = list(codebook.rows(actor))
            head = str(Seal.objects.values_list("hash", flat=True).first() or "")
        with still(given) as apart:
            write = _zip if snapshot.format == Snapshot.Format.CSV else _workbook
            contents = write(unfinished, apart, wanted, book, snapshot)
        sha256, size = digest(unfinished), unfinished.stat().st_size
        with acting(actor, durable=True):
            done = Snapshot.objects.filter(pk=number).exclude(state=Snapshot.State.READY)
            if done.select_for_update().exists():
                unfinished.replace(folder / snapshot.file_name)
                done.update(
                    state=Snapshot.State.READY,
                    finished_at=clock.now(),
                    sha256=sha256,
                    size=size,
                    contents=contents,
                    head=head,
                )
                note(
                    actor=actor,
                    action="export",
                    about="exports_snapshot",
                    key=number,
                    details={"sha256": sha256},
                )
    except Exception:
        log.exception("snapshot %s", number)
        with acting(actor, durable=True):
            Snapshot.objects.filter(pk=number, state=Snapshot.State.WAITING).update(
                state=Snapshot.State.FAILED, finished_at=clock.now()
            )
        raise
    finally:
        unfinished.unlink(missing_ok=True)
    snapshot.refresh_from_db()
    return snapshot


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read in portions."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zip(
    path: Path, apart: psycopg.Connection[Any], wanted: Wanted, book: list[list[str]], snapshot: Snapshot
) -> dict[str, int]:
    """One CSV for each table, the code book, and what the archive is. Returns bytes by file."""
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for table, statement in wanted:
            sizes[f"{table.name}.csv"] = _put(archive, f"{table.name}.csv", as_csv(apart, statement))
        sizes["codebook.csv"] = _put(archive, "codebook.csv", lines(codebook.NAMES, iter(book)))
        about = {"snapshot": snapshot.pk, "purpose": snapshot.purpose, "shows_arms": snapshot.shows_arms}
        _put(archive, "about.json", iter([json.dumps(about, ensure_ascii=False, indent=1).encode()]))
    return sizes


def _put(archive: zipfile.ZipFile, name: str, blocks: Iterator[bytes]) -> int:
    size = 0
    with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
        for block in blocks:
            size += file.write(block)
    return size


def _workbook(
    path: Path, apart: psycopg.Connection[Any], wanted: Wanted, book: list[list[str]], snapshot: Snapshot
) -> dict[str, int]:
    """One sheet for each table and the code book; written row by row. Returns rows by sheet.

    Text stays text: nothing that was entered is taken for a formula or an address.
    """
    counts: dict[str, int] = {}
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
        "default_date_format": "yyyy-mm-dd",
    }
    with xlsxwriter.Workbook(str(path), options) as workbook:
        for table, statement in wanted:
            if table.name != "long":  # a sheet ends after 1 048 576 rows; the long table belongs into CSV
                with as_rows(apart, statement) as (names, rows):
                    counts[table.name] = _sheet(workbook, table.name, names, rows)
        counts["codebook"] = _sheet(workbook, "codebook", codebook.NAMES, iter(map(tuple, book)))
    return counts


def _sheet(workbook: Any, name: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> int:
    sheet = workbook.add_worksheet(name[:31])
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, names, workbook.add_format({"bold": True}))
    number = 0
    for number, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            if value is not None:
                sheet.write(number, place, value[:_CELL] if isinstance(value, str) else value)
    return number
