"""Checking the trail against its seals, by reading every row: edits, deletions, insertions, another order, gaps."""

import bisect
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.conf import settings

from trialsite.audit import lines, posture


@dataclass
class Report:
    """What was found. `tail` counts events that no seal covers yet; `oldest` is the time of the first of them."""

    problems: list[str] = field(default_factory=list)
    seals: int = 0
    events: int = 0
    head: str = lines.FIRST
    tail: int = 0
    oldest: dt.datetime | None = None


@dataclass(frozen=True)
class _Seal:
    id: int
    epoch: int
    from_xid: int
    to_xid: int
    events: int
    content: str
    previous: str
    hash: str
    sealed_at: str


_SEALS = """SELECT id, epoch, from_xid, to_xid, events, content, previous, hash,
    to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM audit_seal ORDER BY id"""
_EVENTS = f"SELECT e.epoch, e.xid, e.at, {lines.LINE} FROM audit_event e ORDER BY e.epoch, e.xid, e.id"  # noqa: S608

Row = tuple[int, int, dt.datetime, str]


def verify(
    connection: psycopg.Connection[Any], *, known_heads: Iterable[str] = (), witnessed: Iterable[str] = ()
) -> Report:
    """Recompute every seal. `connection` must see every row: that of the tables' owner, in one snapshot.

    `known_heads` are heads that were mailed or written down, `witnessed` those of the witness: each must still stand in
    the chain, or its end was cut. So must those that other tables keep (`TRAIL_HEADS`). Memory stays flat: rows are
    streamed.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return verify_in(connection, known_heads=known_heads, witnessed=witnessed)


def verify_in(
    connection: psycopg.Connection[Any], *, known_heads: Iterable[str] = (), witnessed: Iterable[str] = ()
) -> Report:
    """The same, as the transaction that `connection` is in sees it."""
    report = Report()
    with connection.cursor() as cursor:
        report.problems += posture.problems(cursor)
        seals = [_Seal(*row) for row in cursor.execute(_SEALS).fetchall()]
    report.problems += _chain(seals)
    report.seals, report.head = len(seals), seals[-1].hash if seals else lines.FIRST
    hashes = {seal.hash for seal in seals}
    report.problems += _cut("noted", known_heads, hashes) + _cut("the witness", witnessed, hashes)
    for where, sql in settings.TRAIL_HEADS.items():
        with connection.cursor() as cursor:
            report.problems += _cut(where, (head for (head,) in cursor.execute(sql)), hashes)
    with connection.transaction(), connection.cursor("audit_events") as stream:
        stream.itersize = 5000
        _contents(stream.execute(_EVENTS), seals, report)
    return report


def _cut(where: str, heads: Iterable[str], hashes: set[str]) -> list[str]:
    """That heads kept elsewhere stand in the chain no more; told once for each place, by the first of them."""
    missing = [head for head in heads if head not in hashes]
    if not missing:
        return []
    return [
        f"no seal has the head {missing[0]} ({where}; {len(missing)} of them):"
        " the end of the trail was cut or replaced"
    ]


def _chain(seals: list[_Seal]) -> Iterator[str]:
    previous = _Seal(0, 0, 0, 0, 0, "", "", lines.FIRST, "")
    for seal in seals:
        where = f"seal {seal.id}"
        if seal.id != previous.id + 1:
            yield f"{where}: seals before it are missing"
        if seal.previous != previous.hash:
            yield f"{where}: does not follow on seal {previous.id}"
        if seal.epoch < previous.epoch or seal.from_xid != (
            previous.to_xid if seal.epoch == previous.epoch else 0
        ):
            yield f"{where}: its range does not follow on that of seal {previous.id}"
        if seal.hash != lines.seal_hash(
            epoch=seal.epoch,
            from_xid=seal.from_xid,
            to_xid=seal.to_xid,
            events=seal.events,
            content=seal.content,
            sealed_at=seal.sealed_at,
            previous=seal.previous,
        ):
            yield f"{where}: was changed"
        previous = seal


def _contents(rows: Iterable[Row], seals: list[_Seal], report: Report) -> None:
    """Compare the events of each seal's range; both come in the order of epoch and transaction."""
    ends = [(seal.epoch, seal.to_xid) for seal in seals]
    left = {seal.id: seal for seal in seals}
    for place, group in itertools.groupby(rows, key=lambda row: bisect.bisect_right(ends, row[:2])):
        if place == len(seals):
            _tail(group, report)
            continue
        seal = left.pop(seals[place].id)
        count = itertools.count()
        content = lines.digest(line for *_, line in group if next(count) >= 0)
        events = next(count)
        report.events += events
        if events != seal.events:
            report.problems.append(f"seal {seal.id}: {events} events where {seal.events} were sealed")
        elif content != seal.content:
            report.problems.append(f"seal {seal.id}: one of its {events} events was changed or moved")
    report.problems += [f"seal {seal.id}: all of its {seal.events} events are gone" for seal in left.values()]


def _tail(rows: Iterable[Row], report: Report) -> None:
    for _epoch, _xid, at, _line in rows:
        report.tail += 1
        report.oldest = min(report.oldest or at, at)
