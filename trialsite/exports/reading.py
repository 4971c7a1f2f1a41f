"""Reading as of one moment, in a stream: a connection of its own, bound to the reader, closed at the end."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql


@contextmanager
def still(given: Mapping[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """A read-only transaction that sees the database as it is now, under the row policies of whoever is bound, in UTC.

    `given` comes from `audit.context.present_settings`, asked while the request still runs.

    Apart from the request's own transaction: a stream runs longer than that, and all tables of a snapshot must show
    the same moment.
    """
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    with psycopg.connect(**parameters) as apart:
        apart.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        apart.read_only = True
        apart.execute("SET LOCAL TimeZone TO 'UTC'")
        for name, value in given.items():
            apart.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield apart


def as_csv(apart: psycopg.Connection[Any], statement: sql.Composed) -> Iterator[bytes]:
    """The rows as CSV (RFC 4180, UTF-8, first line the names), as the server writes them: memory stays flat."""
    copy = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)").format(statement)
    with apart.cursor() as cursor, cursor.copy(copy) as blocks:
        for block in blocks:
            yield bytes(block)


@contextmanager
def as_rows(
    apart: psycopg.Connection[Any], statement: sql.Composed
) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
    """The names of the columns and the rows, fetched in portions from a cursor of the server."""
    with apart.cursor(name="export") as cursor:
        cursor.itersize = 2000
        cursor.execute(statement)
        yield [column.name for column in cursor.description or ()], iter(cursor)


def as_portions(apart: psycopg.Connection[Any], snapshot: int) -> Iterator[bytes]:
    """The bytes of a snapshot's file, one portion in memory at a time."""
    with apart.cursor(name="portions") as cursor:
        cursor.itersize = 1
        cursor.execute(
            "SELECT data FROM exports_snapshotportion WHERE snapshot_id = %s ORDER BY number", [snapshot]
        )
        for (data,) in cursor:
            yield bytes(data)


def lines(names: list[str], rows: Iterator[list[str]]) -> Iterator[bytes]:
    """CSV of what is not in the database, written as the server would."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in (names, *rows):
        writer.writerow(row)
    yield line.getvalue().encode()
