"""What is hashed of each event and of each seal. docs/audit-format.md says the same to other programs."""

import hashlib
from collections.abc import Iterable
from typing import Final

# One event as text: PostgreSQL's jsonb spelling of an array of these values. `at` in UTC with microseconds.
LINE: Final = """jsonb_build_array(
    e.epoch, e.xid, e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), e.actor_id, e.roles,
    e.action, e.table_name, e.row_key, e.site_id, e.participant_id, e.reveals_arm, e.changes, e.reason,
    e.application, e.request, e.address, e.session)::text"""
FIRST: Final = "0" * 64


def digest(lines: Iterable[str]) -> str:
    """Hex SHA-256 over the SHA-256 of each line, in the order of transaction and id."""
    whole = hashlib.sha256()
    for line in lines:
        whole.update(hashlib.sha256(line.encode()).digest())
    return whole.hexdigest()


def seal_hash(
    *, epoch: int, from_xid: int, to_xid: int, events: int, content: str, sealed_at: str, previous: str
) -> str:
    """Hex SHA-256 that binds a seal to its range, its content and the seal before it."""
    parts = ("TRIALSITE-SEAL-1", epoch, from_xid, to_xid, events, content, sealed_at, previous)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
