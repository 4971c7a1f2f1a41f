"""Which triggers and policies the database must have: exactly those that the migrations on disk leave behind.

Read from the migrations themselves, so that a new guard is expected from the day on which it is written and no list has
to be kept beside them.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState

_STATEMENT: Final = re.compile(
    r"\b(CREATE|DROP)\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?(TRIGGER|POLICY)\s+(?:IF\s+EXISTS\s+)?(\w+)"
    r"(?:(?!\bON\b)[^;])*?\bON\s+(\w+)",
    re.IGNORECASE,
)
Guard = tuple[str, str, str]


@cache
def expected() -> frozenset[Guard]:
    """("trigger" or "policy", table, name) of every guard, after all migrations in their order."""
    loader = MigrationLoader(None)
    guards: set[Guard] = set()
    done: set[tuple[str, str]] = set()
    for leaf in sorted(loader.graph.leaf_nodes()):
        for node in loader.graph.forwards_plan(leaf):
            if node not in done:
                done.add(node)
                _follow(guards, loader.graph.nodes[node].operations)
    return frozenset(guards)


def present(cursor: Any) -> set[Guard]:
    """The guards that stand in the schema that `cursor` looks at, disabled triggers left out."""
    cursor.execute(
        "SELECT 'trigger', c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE NOT t.tgisinternal AND t.tgenabled = 'O' AND c.relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'policy', tablename, policyname FROM pg_policies WHERE schemaname = 'public'"
    )
    return {(kind, table, name) for kind, table, name in cursor.fetchall()}


def _follow(guards: set[Guard], operations: Sequence[Any]) -> None:
    for statement in _statements(operations):
        for verb, kind, name, table in _STATEMENT.findall(statement):
            guard = (kind.lower(), table, name)
            if verb.upper() == "CREATE":
                guards.add(guard)
            else:
                guards.discard(guard)


def _statements(operations: Sequence[Any]) -> Iterator[str]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _statements(operation.database_operations)
        elif isinstance(operation, RunSQL):
            parts = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
            for part in parts:
                yield part if isinstance(part, str) else part[0]
