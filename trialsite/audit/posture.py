"""Whether the database still guards the truth: role, rights, triggers, policies. Asked at start and by `ready`."""

from collections.abc import Collection
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection

from trialsite.audit import guards

# Its rights, and what it may become, are among the guards that are compared.
_SERVING: Final = "edc_app"
# What may be set for a role or for the database: how long something waits, how much it takes, what is logged.
_HARMLESS: Final = frozenset(
    {
        *("lock_timeout", "statement_timeout", "transaction_timeout", "idle_session_timeout"),
        *(
            "idle_in_transaction_session_timeout",
            "work_mem",
            "maintenance_work_mem",
            "temp_file_limit",
            "jit",
        ),
        *("log_min_duration_statement", "log_error_verbosity", "log_statement", "application_name"),
    }
)

# Who acts, why, from where, and what two functions tell each other: told by each transaction for itself alone.
_TOLD: Final = [
    *("edc.actor", "edc.reason", "edc.application", "edc.request", "edc.address", "edc.session"),
    *("edc.hiding", "edc.transfer"),
]
# What each of them is before anybody tells it anything; within a transaction it is given back what it was told.
_PRESET: Final = """
WITH told AS MATERIALIZED (
    SELECT name, coalesce(current_setting(name, true), '') AS now FROM unnest(%s::text[]) AS name
), preset AS MATERIALIZED (
    SELECT name, now, coalesce(set_config(name, NULL, true), '') AS before FROM told
), again AS MATERIALIZED (
    SELECT name, before, set_config(name, now, true) FROM preset
)
SELECT name FROM again WHERE before <> ''
"""


def ready() -> str:
    """`ok`, or the first thing that is wrong."""
    try:
        with connection.cursor() as cursor:
            found = problems(cursor) + role_problems(cursor)
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    return found[0] if found else "ok"


def problems(cursor: Any) -> list[str]:
    """Everything that is wrong in the schema that `cursor` (Django's or psycopg's) looks at; empty when all is well.

    Every table must be trailed and stand under a policy, or be exempt by name in the settings with a reason, and never
    both. Beside that, all that the migrations made must stand as they made it, and nothing else.
    """
    cursor.execute(
        "SELECT relname, relrowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    tables = dict(cursor.fetchall())
    standing = guards.present(cursor)
    trailed = {name for name in tables if (name, "trigger", f"{name}_trail") in standing}
    scoped = {of for of, kind, _ in standing if kind == "policy"}
    guarded = {name for name, enabled in tables.items() if enabled and name in scoped}
    return [
        *_compare("trail", set(tables), trailed, settings.AUDIT_EXEMPT),
        *_compare("policy", set(tables), guarded, settings.SITE_EXEMPT),
        *guards.differences(standing),
        *_epoch_problems(cursor),
        *_switched_off(cursor),
        *_preset(cursor),
    ]


def role_problems(cursor: Any) -> list[str]:
    """Whether this is the role that serves: neither owner nor superuser, whom the policies would not bind."""
    cursor.execute("SELECT DISTINCT name FROM (VALUES (session_user), (current_user)) AS who (name)")
    return [
        f"connected as {name}; only {_SERVING} may serve, since row policies bind it"
        for (name,) in cursor.fetchall()
        if name != _SERVING
    ]


def _switched_off(cursor: Any) -> list[str]:
    """Guards stand, yet do nothing where triggers are told to rest; and a setting of a role may say who acts.

    What is set for a role or for the database is read from its catalogue: it holds from the next connection on.
    """
    cursor.execute("SELECT current_setting('session_replication_role')")
    (now,) = cursor.fetchone()
    cursor.execute(
        "SELECT coalesce(nullif(setrole, 0)::regrole::text, 'everybody'), split_part(setting, '=', 1)"
        " FROM pg_db_role_setting, unnest(setconfig) AS setting"
        " WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"
        " ORDER BY 1, 2"
    )
    return [
        *([] if now == "origin" else [f"session_replication_role is {now}: triggers rest"]),
        *(
            f"{setting} is set for {who}: not expected"
            for who, setting in cursor.fetchall()
            if setting.lower() not in _HARMLESS
        ),
    ]


def _preset(cursor: Any) -> list[str]:
    """Where the server's file, a role, or the address of the connection says who acts, nobody need be bound."""
    cursor.execute(_PRESET, [_TOLD])
    return [f"{name} has a value before anybody acts: not expected" for (name,) in cursor.fetchall()]


def _compare(what: str, tables: set[str], held: set[str], exempt: Collection[str]) -> list[str]:
    return [
        *(f"{name}: no {what}, and not exempt by name" for name in sorted(tables - held - set(exempt))),
        *(f"{name}: under a {what}, yet exempt by name" for name in sorted(held & set(exempt))),
    ]


def _epoch_problems(cursor: Any) -> list[str]:
    cursor.execute(
        "SELECT cluster = (SELECT system_identifier::text FROM pg_control_system())"
        " FROM audit_epoch ORDER BY id DESC LIMIT 1"
    )
    row = cursor.fetchone()
    return [] if row and row[0] else ["restored into another cluster: run prepare_database"]
