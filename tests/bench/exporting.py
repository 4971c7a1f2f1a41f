"""Exports of many values: what a reader gets as CSV, and the bare `COPY` of the same rows by the tables' owner."""

import gc
import resource
import tracemalloc
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from tests.bench.timing import Stage, timed
from tests.conftest import make_person
from trialsite.exports import services
from trialsite.exports import sql as statements
from trialsite.exports.columns import columns_of
from trialsite.protocol.models import ProtocolVersion

FORM = "labs"
# Copies of the laboratory records that were saved through the door, under other numbers; without trail, which is not
# measured here.
MORE = """
INSERT INTO casebook_record (created_at, participant_id, site_id, protocol_version_id, event, form, repeat, data, state,
    version, observed_on, reveals_arm, updated_by_id, updated_at)
SELECT r.created_at, r.participant_id, r.site_id, r.protocol_version_id, r.event, r.form, 1 + n, r.data, r.state,
    r.version, r.observed_on, r.reveals_arm, r.updated_by_id, r.updated_at
FROM casebook_record r, generate_series(%s::int, %s::int) n WHERE r.form = %s AND r.repeat = 1
"""


def measure(stage: Stage) -> None:
    """10⁵ and 10⁶ values as one row each and as one row per form, and what the process holds meanwhile."""
    reader = make_person("statistician")
    version = ProtocolVersion.objects.current()
    assert version is not None
    columns = columns_of(version.definition.form(FORM).items.values())
    all_rows = "SELECT * FROM casebook_record"
    bare_statements = {"long": statements.long(all_rows), FORM: statements.wide(FORM, columns, all_rows)}
    begun = 1
    with psycopg.connect(stage.cluster.url("postgres", stage.name), autocommit=True) as owner:
        for values in (10**5, 10**6):
            begun = _grow(owner, values, begun)
            for name, statement in bare_statements.items():
                _one(owner, reader, name, statement, values)


def _grow(owner: psycopg.Connection[Any], values: int, begun: int) -> int:
    """Add records until about `values` entries stand; returns the next free number."""
    found = owner.execute(
        "SELECT count(*), avg((SELECT count(*) FROM jsonb_object_keys(data))) FROM casebook_record"
        " WHERE form = %s AND repeat = 1",
        [FORM],
    ).fetchone()
    assert found
    until = int(values / (found[0] * float(found[1]))) + 1
    owner.execute("SET session_replication_role = replica")
    owner.execute(MORE, [begun, until, FORM])
    owner.execute("RESET session_replication_role")
    owner.execute("ANALYZE casebook_record")
    return until + 1


def _one(
    owner: psycopg.Connection[Any], reader: Any, name: str, statement: sql.Composed, values: int
) -> None:
    sizes: dict[str, int] = {}

    def take(what: str, blocks: Iterator[Any]) -> None:
        sizes[what] = sum(map(len, blocks))

    def bare() -> None:
        copy = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)").format(statement)
        with owner.cursor() as cursor, cursor.copy(copy) as blocks:
            take("bare", iter(blocks))

    def ours() -> None:
        take("ours", services.table_csv(actor=reader, name=name))

    pairs = [(timed(bare), timed(ours)) for _ in range(2)]
    theirs, mine = (min(column) for column in zip(*pairs, strict=True))
    gc.collect()
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = f"{100 * theirs / mine:5.0f} % of the speed of the bare COPY"
    memory = f"Python's peak {peak:.1f} MB, process {held:.0f} MB"
    what = f"{values:.0e} values, {name}"
    print(
        f"{what:<34}{mine:9.0f} ms {theirs:9.0f} ms bare {speed} ({sizes['ours'] / 2**20:.0f} MB; {memory})"
    )
