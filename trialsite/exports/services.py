"""Streaming tables; snapshots asked for, and given out unchanged."""

import hashlib
from collections.abc import Iterator

from django.utils.translation import gettext as _

from trialsite.audit.context import acting, present_settings, token_session
from trialsite.audit.notes import note
from trialsite.core.errors import Invalid
from trialsite.core.queue import enqueue_on_commit
from trialsite.exports import codebook
from trialsite.exports.errors import Damaged, NoSuchTable, NotReady
from trialsite.exports.models import Snapshot
from trialsite.exports.reading import as_csv, as_portions, lines, still
from trialsite.exports.tables import tables
from trialsite.exports.tasks import write_snapshot
from trialsite.sites.models import Site
from trialsite.staff.access import require, sites_of, without
from trialsite.staff.capabilities import ARM_SEE, DATA_EXPORT
from trialsite.staff.models import User


def reader_of(actor: User, *, blinded: bool) -> User:
    """Whoever the tables are read as: `blinded` takes the sight of arms from whoever has it."""
    return without(actor, ARM_SEE) if blinded else actor


def table_csv(*, actor: User, name: str, blinded: bool = False) -> Iterator[bytes]:
    """One table as CSV, row by row from the server. The export is noted in the trail before the first row.

    `blinded` gives what somebody who may not see arms would get. Raises NoSuchTable at once, not amid the stream.
    """
    with acting(actor):
        given = present_settings(actor)
        require(actor, DATA_EXPORT)
        reader = reader_of(actor, blinded=blinded)
        table = next((one for one in tables(reader) if one.name == name), None)
        if table is None and name not in codebook.BOOKS:
            raise NoSuchTable(table=name)
        note(actor=actor, action="export", about=name, details={"blinded": True} if blinded else None)
        if table is None:
            return lines(codebook.BOOKS[name], iter(codebook.written(reader, name)))
        statement = table.statement(reader)

    def stream() -> Iterator[bytes]:
        with still(given) as apart:
            yield from as_csv(apart, statement)

    return stream()


def request_snapshot(*, actor: User, format: str, purpose: str, blinded: bool = False) -> Snapshot:
    """Ask for a snapshot of everything that `actor` may export; the worker writes it. `purpose` says what for.

    A `blinded` one tells no arm, and may be taken by those too who see none.
    """
    with acting(actor):
        require(actor, DATA_EXPORT)
        if format not in Snapshot.Format.values:
            raise Invalid(
                fields={"format": [_("Choose one of: {formats}.").format(formats=", ".join(Snapshot.Format))]}
            )
        if not purpose.strip():
            raise Invalid(fields={"purpose": [_("Say what it is for.")]})
        sites = sites_of(actor, DATA_EXPORT)
        snapshot = Snapshot.objects.create(
            requested_by=actor,
            format=format,
            purpose=purpose.strip()[:200],
            sites=sorted(Site.objects.values_list("pk", flat=True)) if sites is None else sites,
            session=token_session(),
            shows_arms=not blinded and sites_of(actor, ARM_SEE) != [],
        )
        enqueue_on_commit(write_snapshot, snapshot.pk)
        return snapshot


def snapshot_file(*, actor: User, number: int) -> tuple[Snapshot, Iterator[bytes]]:
    """A snapshot and its file in portions, compared with its hash first; noted in the trail.

    Raises NotReady, Damaged.
    """
    with acting(actor):
        given = present_settings(actor)
        require(actor, DATA_EXPORT)
        snapshot = Snapshot.objects.visible_to(actor).filter(pk=number).first()
        if snapshot is None:
            raise NoSuchTable(table=number)
        if snapshot.state != Snapshot.State.READY:
            raise NotReady(number=number, state=snapshot.get_state_display())
        whole = hashlib.sha256()
        for data in (
            snapshot.portions.order_by("number").values_list("data", flat=True).iterator(chunk_size=1)
        ):
            whole.update(data)
        if whole.hexdigest() != snapshot.sha256:
            raise Damaged(number=number)
        note(actor=actor, action="export", about="exports_snapshot", key=number)

    def stream() -> Iterator[bytes]:
        with still(given) as apart:
            yield from as_portions(apart, number)

    return snapshot, stream()
