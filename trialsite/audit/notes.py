"""Recording what leaves no changed row: a sign-in, a refusal, a view of something protected, an export."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection

from trialsite.audit.context import Actor, acting

_refused: ContextVar[list[dict[str, Any]] | None] = ContextVar("refused", default=None)


@contextmanager
def keeping_refusals() -> Iterator[None]:
    """What `note_refusal` is told inside is written at the end, in a transaction of its own."""
    kept: list[dict[str, Any]] = []
    token = _refused.set(kept)
    try:
        yield
    finally:
        _refused.reset(token)
        for told in kept:
            note(**told)


def note_refusal(**told: Any) -> None:
    """As `note`, for an attempt that is refused: its row stands although all else that was asked for is undone."""
    kept = _refused.get()
    if kept is None:
        note(**told)
    else:
        kept.append(told)


def note(
    *,
    actor: Actor,
    action: str,
    about: str,
    key: object = "",
    site: int | None = None,
    participant: int | None = None,
    details: Mapping[str, Any] | None = None,
    durable: bool = False,
) -> None:
    """Write one row of trail: `actor` did `action` (such as `view`, `export`, `sign_in`) to `about` (table or page).

    `key` names the row, `site` and `participant` are primary keys that decide who may read the note. `details` must
    hold nothing secret. With `durable` it is committed when this returns, whatever becomes of the request.
    Source: 21 CFR 11.10(e), EMA 2023 section 6.2 (access to critical data is traceable).
    """
    with acting(actor, durable=durable), connection.cursor() as cursor:
        cursor.execute(
            "SELECT edc_note(%s, %s, %s, %s, %s, %s::jsonb)",
            [action, about, str(key), site, participant, json.dumps(dict(details or {}))],
        )
