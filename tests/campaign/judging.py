"""The judge of the campaign over messages: logs of the servers against outbox and trail, by commit times."""

import collections
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Final

import psycopg

from tests.campaign.killing import Servers

# Worker processes: so many messages can be between claim and fate when something is killed.
IN_FLIGHT: Final = 2

_COMMITTED = "pg_xact_commit_timestamp((xid % 4294967296)::text::xid)"
# The last claim of each message, and the first end of each participant, by commit.
_CLAIMS = f"""
SELECT row_key, max({_COMMITTED}) FROM audit_event
 WHERE table_name = 'outbox_message' AND changes -> 'state' ->> 1 = 'sending' GROUP BY row_key
"""
_ENDS = f"""
SELECT 'participant:' || participant_id, min({_COMMITTED}) FROM audit_event
 WHERE table_name = 'participants_participant' AND changes -> 'status' ->> 1 IN ('dead', 'withdrawn')
    OR table_name = 'participants_contact' AND changes -> 'opted_out' ->> 1 = 'true'
 GROUP BY participant_id
"""


@dataclass
class Result:
    """What was found. Everything but `states`, `killed` and the numbers must be empty or within its bound."""

    planned: int = 0
    seconds: float = 0
    killed: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    states: dict[str, int] = field(default_factory=dict)
    mails: int = 0
    texts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(self.killed.values())


def judge(result: Result, servers: Servers) -> None:
    """Hold the logs of the servers against the outbox and the trail."""
    from trialsite.outbox.mail import message_id
    from trialsite.outbox.sms import provider_key

    mails = collections.Counter(servers.mail_log.read_text().split()) if servers.mail_log.exists() else {}
    texts: collections.Counter[str] = collections.Counter()
    if servers.sms_log.exists():
        texts.update(json.loads(line)["key"] for line in servers.sms_log.read_text().splitlines())
    result.mails, result.texts = sum(mails.values()), texts.total()
    with psycopg.connect(servers.cluster.url("postgres", servers.database)) as database:
        rows = database.execute("SELECT id, key, state, recipient FROM outbox_message").fetchall()
        answers = database.execute(
            "SELECT answer, count(*) FROM outbox_message WHERE state = 'uncertain' GROUP BY 1"
        ).fetchall()
        claimed: dict[str, dt.datetime] = dict(database.execute(_CLAIMS).fetchall())
        ended: dict[str, dt.datetime] = dict(database.execute(_ENDS).fetchall())
    result.ended = len(ended)
    result.states = dict(collections.Counter(state for _, _, state, _ in rows))
    known = {message_id(key) for _, key, _, _ in rows} | {provider_key(key) for _, key, _, _ in rows}
    result.wrong += [
        f"the server has {name}, which we do not know" for name in (set(mails) | set(texts)) - known
    ]
    for pk, key, state, recipient in rows:
        arrived = mails.get(message_id(key), 0) + texts[provider_key(key)]
        if arrived > 1:
            result.wrong.append(f"{key} arrived {arrived} times")
        if state not in ("sent", "cancelled", "failed", "uncertain"):
            result.wrong.append(f"{key} is left {state}")
        if arrived != {"sent": 1, "uncertain": min(arrived, 1)}.get(state, 0):
            result.wrong.append(f"{key} is {state} and arrived {arrived} times")
        end = ended.get(recipient)
        if arrived and end and claimed[str(pk)] > end:
            result.wrong.append(f"{key} was claimed after its recipient had died, withdrawn or opted out")
    uncertain = result.states.get("uncertain", 0)
    if uncertain > result.kills * IN_FLIGHT:
        result.wrong.append(
            f"{uncertain} uncertain after {result.kills} kills of {IN_FLIGHT} in flight: {answers}"
        )
