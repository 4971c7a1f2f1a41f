"""Changes sealed rows of the trail in the database itself, each in a transaction that is undone; asks to be told."""

import random
from typing import Any, Final

import psycopg

from trialsite.audit.verification import verify_in

COLUMNS: Final = (
    ("at", "at + interval '1 microsecond' * {n}"),
    ("actor_id", "actor_id + {n}"),
    ("roles", "roles || 'x'"),
    ("action", "action || 'x'"),
    ("table_name", "table_name || 'x'"),
    ("row_key", "row_key || '{n}'"),
    ("site_id", "coalesce(site_id, 0) + {n}"),
    ("participant_id", "coalesce(participant_id, 0) + {n}"),
    ("reveals_arm", "NOT reveals_arm"),
    ("changes", "changes || jsonb_build_object('x{n}', {n})"),
    ("reason", "reason || 'x'"),
    ("application", "application || 'x'"),
    ("request", "request || 'x'"),
    ("address", "address || 'x'"),
    ("session", "session || 'x'"),
    ("xid", "xid + {n}"),
    ("epoch", "epoch + {n}"),
)
_OPEN: Final = (
    "ALTER TABLE audit_event DISABLE TRIGGER audit_event_frozen;"
    "ALTER TABLE audit_seal DISABLE TRIGGER audit_seal_frozen;"
)


def mutation(chance: random.Random, events: list[int], seals: list[int]) -> str:
    """One edit, deletion, insertion, exchange of two rows, truncation, or edit of a seal."""
    one, other, n = chance.choice(events), chance.choice(events), chance.randrange(1, 999)
    kind = chance.choice(("edit", "edit", "edit", "delete", "insert", "order", "cut", "seal", "unseal"))
    if kind == "edit":
        column, value = chance.choice(COLUMNS)
        return f"UPDATE audit_event SET {column} = {value.format(n=n)} WHERE id = {one}"
    if kind == "delete":
        return f"DELETE FROM audit_event WHERE id = {one}"
    if kind == "insert":
        added = f"jsonb_populate_record(e, jsonb_build_object('id', {10**9 + n}))"
        return f"INSERT INTO audit_event SELECT ({added}).* FROM audit_event e WHERE id = {one}"
    if kind == "order" and one != other:
        return (
            f"UPDATE audit_event SET id = -1 WHERE id = {one};"
            f"UPDATE audit_event SET id = {one} WHERE id = {other};"
            f"UPDATE audit_event SET id = {other} WHERE id = -1"
        )
    if kind == "cut":
        return f"DELETE FROM audit_event WHERE id >= {one}"
    seal = chance.choice(seals)
    if kind == "seal":
        column = chance.choice(("events = events + 1", "content = reverse(content)", "to_xid = to_xid + 1"))
        return f"UPDATE audit_seal SET {column} WHERE id = {seal}"
    return f"DELETE FROM audit_seal WHERE id = {seals[chance.randrange(len(seals) - 1)]}"


def missed(connection: psycopg.Connection[Any], *, rounds: int, seed: int) -> list[str]:
    """The mutations among `rounds` that `verify_in` did not find; `connection` is the owner's, in autocommit."""
    chance, unseen = random.Random(seed), []
    events = [number for (number,) in connection.execute("SELECT id FROM audit_event ORDER BY id").fetchall()]
    seals = [number for (number,) in connection.execute("SELECT id FROM audit_seal ORDER BY id").fetchall()]
    if verify_in(connection).problems:
        raise AssertionError("the trail does not fit before anything was touched")
    for _ in range(rounds):
        sql = mutation(chance, events, seals)
        with connection.transaction(force_rollback=True):
            connection.execute(_OPEN)
            connection.execute(sql)
            if not [found for found in verify_in(connection).problems if found.startswith("seal ")]:
                unseen.append(sql)
    return unseen


def main(minutes: float) -> int:
    """10 000 mutations, whatever the minutes; returns how many were not found."""
    from tests.campaign.stage import stage
    from trialsite.audit import services
    from trialsite.audit.context import acting
    from trialsite.sites.models import Site

    with stage() as here:
        services.seal()
        for number in range(6):
            with acting(here.owner, reason=f"exchange {number}"):
                Site.objects.filter(code="SHGH").update(phone=f"021-{number}")
            services.seal()
        with psycopg.connect(here.cluster.url("edc_owner", here.database), autocommit=True) as connection:
            unseen = missed(connection, rounds=10_000, seed=20260101)
    print(f"mutations: 10000 changes of sealed rows, {len(unseen)} not found")
    for sql in unseen:
        print("  ", sql)
    return len(unseen)
