"""Writing the file of a snapshot."""

import datetime as dt
import hashlib
import itertools
import json
import logging
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, Final

import psycopg
from django.db import models

from trialsite.audit.context import TOKEN_MARK, acting, coming_from, present_origin, present_settings
from trialsite.audit.models import Seal
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.errors import Forbidden
from trialsite.exports import codebook, workbook
from trialsite.exports.models import PORTION, Snapshot, SnapshotPortion
from trialsite.exports.reading import as_csv, lines, still
from trialsite.exports.tables import tables
from trialsite.exports.workbook import Books, Wanted
from trialsite.sites.models import Site
from trialsite.staff.access import require, within, without
from trialsite.staff.capabilities import ARM_SEE, DATA_EXPORT, SCHEDULE_PLAN
from trialsite.staff.models import Token, User

log = logging.getLogger(__name__)
TAKEN_UP_AFTER: Final = dt.timedelta(minutes=15)
GIVEN_UP_AFTER: Final = dt.timedelta(days=1)


def write_snapshot(*, number: int) -> Snapshot:
    """Write the file of a snapshot that waits; one that is ready stays as it is.

    Reads as whoever asked for it, within the token that they came with and the hospitals that they could export then.
    The file is made whole on this machine, then goes into the database in portions: memory stays flat.
    """
    snapshot = Snapshot.objects.select_related("requested_by").get(pk=number)
    if snapshot.state == Snapshot.State.READY:
        return snapshot
    with coming_from(replace(present_origin(), session=snapshot.session)):
        return _written(snapshot)


def _written(snapshot: Snapshot) -> Snapshot:
    actor, number = snapshot.requested_by, snapshot.pk
    try:
        with acting(actor):
            given = present_settings(actor)
            reader = _reader(snapshot)
            require(reader, DATA_EXPORT)
            wanted = [(table, table.statement(reader)) for table in tables(reader)]
            books = {name: codebook.written(reader, name) for name in codebook.BOOKS}
            head = str(Seal.objects.values_list("hash", flat=True).first() or "")
        with tempfile.TemporaryFile() as file:
            with still(given) as apart:
                write = _zip if snapshot.format == Snapshot.Format.CSV else workbook.write
                contents = write(file, apart, wanted, books, snapshot)
            with acting(actor, durable=True):
                done = Snapshot.objects.filter(pk=number).exclude(state=Snapshot.State.READY)
                if done.select_for_update().exists():
                    sha256 = _keep(file, snapshot)
                    done.update(
                        state=Snapshot.State.READY,
                        finished_at=clock.now(),
                        sha256=sha256,
                        size=file.tell(),
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
            _waiting().filter(pk=number).update(state=Snapshot.State.FAILED, finished_at=clock.now())
        raise
    snapshot.refresh_from_db()
    return snapshot


def take_up(*, actor: User) -> list[int]:
    """Numbers of the snapshots that still wait after TAKEN_UP_AFTER: their worker died, or the broker was not told.

    One that was not written within a day fails: it may be asked for again, and takes no worker down for ever.
    """
    with acting(actor):
        require(actor, SCHEDULE_PLAN)
        now = clock.now()
        _waiting().filter(created_at__lt=now - GIVEN_UP_AFTER).update(
            state=Snapshot.State.FAILED, finished_at=now
        )
        late = _waiting().filter(created_at__lt=now - TAKEN_UP_AFTER)
        return list(late.order_by("pk").values_list("pk", flat=True))


def _reader(snapshot: Snapshot) -> User:
    """Whoever asked, narrowed to what they could export then. Raises Forbidden where the token has ended since."""
    actor = snapshot.requested_by
    if snapshot.session:
        key = snapshot.session.removeprefix(TOKEN_MARK)
        actor.token = Token.objects.alive().filter(user=actor, token_key=key).first()
        if actor.token is None:
            raise Forbidden
    all_there_are = not Site.objects.exclude(pk__in=snapshot.sites).exists()
    reader = actor if all_there_are else within(actor, snapshot.sites)
    return reader if snapshot.shows_arms else without(reader, ARM_SEE)


def _waiting() -> models.QuerySet[Snapshot]:
    return Snapshot.objects.filter(state=Snapshot.State.WAITING)


def _keep(file: IO[bytes], snapshot: Snapshot) -> str:
    """Put the file into the database; returns its SHA-256 (hex), and leaves `file` at its end."""
    whole = hashlib.sha256()
    file.seek(0)
    for number in itertools.count():
        data = file.read(PORTION)
        if not data:
            return whole.hexdigest()
        whole.update(data)
        SnapshotPortion.objects.create(snapshot=snapshot, number=number, data=data)
    raise AssertionError


def _zip(
    file: IO[bytes], apart: psycopg.Connection[Any], wanted: Wanted, books: Books, snapshot: Snapshot
) -> dict[str, int]:
    """One CSV for each table, code book and code lists, and what the archive is. Returns bytes by file."""
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for table, statement in wanted:
            sizes[f"{table.name}.csv"] = _put(archive, f"{table.name}.csv", as_csv(apart, statement))
        for name, rows in books.items():
            sizes[f"{name}.csv"] = _put(archive, f"{name}.csv", lines(codebook.BOOKS[name], iter(rows)))
        about = {"snapshot": snapshot.pk, "purpose": snapshot.purpose, "shows_arms": snapshot.shows_arms}
        _put(archive, "about.json", iter([json.dumps(about, ensure_ascii=False, indent=1).encode()]))
    return sizes


def _put(archive: zipfile.ZipFile, name: str, blocks: Iterator[bytes]) -> int:
    size = 0
    with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
        for block in blocks:
            size += file.write(block)
    return size
