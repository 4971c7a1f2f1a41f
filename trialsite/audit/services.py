"""Sealing the trail, and its epochs."""

from django.db import connection, connections, transaction

from trialsite.audit import witness


def seal() -> int:
    """Seal every finished transaction's events that no seal covers yet; returns how many seals were made.

    Needs no actor: the database function decides alone what is sealed, and a seal holds hashes only.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT edc_seal()")
        made: int = cursor.fetchone()[0]
        cursor.execute("SELECT id, hash FROM audit_seal ORDER BY id DESC LIMIT %s", [made])
        new = cursor.fetchall()
    for number, head in reversed(new):
        witness.append(number, head)
    return made


def begin_epoch(*, using: str) -> None:
    """Begin a new epoch where the database came into another cluster, whose transactions count anew. Owner only."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_epoch (id, cluster)"
            " SELECT (SELECT max(id) + 1 FROM audit_epoch), system_identifier::text FROM pg_control_system()"
            " WHERE system_identifier::text <> (SELECT cluster FROM audit_epoch ORDER BY id DESC LIMIT 1)"
        )
