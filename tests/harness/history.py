"""What clients saw, held against what the database holds: the invariants I1–I10. Pure; no Django, no clock."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request: when it began and ended (monotonic seconds), its status (0: no answer came), its body."""

    participant: str
    site: str
    key: str
    began: float
    ended: float
    status: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def acknowledged(self) -> bool:
        return self.status in (200, 201)

    @property
    def unanswered(self) -> bool:
        """Nobody knows whether it was done: no answer, or the server lost its database. It may be repeated."""
        return self.status == 0 or self.body.get("code") == "database_unreachable"


@dataclass(frozen=True)
class Row:
    """One allocation as stored."""

    participant: str
    stratum: str
    index: int
    arm: str
    position: int
    head: str


@dataclass(frozen=True)
class Rest:
    """A time in which a pause was in force: from its commit until just before its end was asked for."""

    began: float
    ended: float


@dataclass(frozen=True)
class History:
    """Everything that is judged. `lists` are the arms of each stratum, as the statistician knows them."""

    calls: Sequence[Call]
    rows: Sequence[Row]
    told: Sequence[tuple[int, str]]
    recipients: Mapping[str, frozenset[str]]
    lists: Mapping[str, Sequence[str]]
    caps: Mapping[str, int]
    rests: Sequence[Rest]
    ledger: Sequence[str]


def violations(seen: History) -> list[str]:
    """One sentence for each invariant that does not hold; empty when all do."""
    return [
        *_rows(seen.rows, seen.lists, seen.caps),
        *_answers(seen.calls, seen.rows),
        *_order(seen.calls, seen.rows),
        *(f"I8 {sentence}" for sentence in seen.ledger),
        *_told(seen),
        *_rests(seen.calls, seen.rests),
    ]


def _rows(rows: Sequence[Row], lists: Mapping[str, Sequence[str]], caps: Mapping[str, int]) -> Iterable[str]:
    for code, times in Counter(row.participant for row in rows).items():
        if times > 1:
            yield f"I1 {code} has {times} allocations"
    by_stratum: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.position):
        by_stratum[row.stratum].append(row)
    for stratum, found in by_stratum.items():
        used = [row.index for row in found]
        if len(set(used)) < len(used):
            yield f"I2 {stratum}: an entry was given twice"
        if set(used) != set(range(1, max(used) + 1)):
            yield f"I3 {stratum}: entries {sorted(set(range(1, max(used) + 1)) - set(used))[:5]} were passed over"
        for row in found:
            if row.index > len(lists[stratum]) or lists[stratum][row.index - 1] != row.arm:
                yield f"I4 {stratum} {row.index}: {row.arm} is not the arm of the list"
                break
        if len(found) > caps.get(stratum, len(found)):
            yield f"I10 {stratum}: {len(found)} allocations, the cap is {caps[stratum]}"
    positions = sorted(row.position for row in rows)
    if positions != list(range(1, len(rows) + 1)):
        yield "I3 the ledger's positions have gaps or doubles"


def _answers(calls: Sequence[Call], rows: Sequence[Row]) -> Iterable[str]:
    stored = {row.participant: row for row in rows}
    for call in calls:
        if not call.acknowledged:
            continue
        row = stored.get(call.participant)
        if row is None:
            yield f"I6 {call.participant} was told position {call.body['position']}, and is not in the ledger"
        elif (call.body["arm"], call.body["position"], call.body["ledger_head"]) != (
            row.arm,
            row.position,
            row.head,
        ):
            yield f"I5 {call.participant} was told something else than what is stored"


def _order(calls: Sequence[Call], rows: Sequence[Row]) -> Iterable[str]:
    """Who was answered before another one's first request began comes earlier in the same stratum."""
    stored = {row.participant: row for row in rows}
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    for call in calls:
        began[call.participant] = min(call.began, began.get(call.participant, call.began))
        if call.acknowledged:
            ended[call.participant] = min(call.ended, ended.get(call.participant, call.ended))
    by_stratum: dict[str, list[str]] = defaultdict(list)
    for code in ended:
        if code in stored:
            by_stratum[stored[code].stratum].append(code)
    for stratum, codes in by_stratum.items():
        furthest = 0
        finished = sorted(codes, key=lambda code: ended[code])
        place = 0
        for code in sorted(codes, key=lambda code: began[code]):
            while place < len(finished) and ended[finished[place]] < began[code]:
                furthest = max(furthest, stored[finished[place]].index)
                place += 1
            if stored[code].index < furthest:
                yield f"I7 {stratum}: {code} got entry {stored[code].index} after entry {furthest} was answered"
                break


def _told(seen: History) -> Iterable[str]:
    by_position: dict[int, list[str]] = defaultdict(list)
    for position, recipient in seen.told:
        by_position[position].append(recipient)
    for row in seen.rows:
        wanted = sorted(seen.recipients[row.stratum])
        found = sorted(by_position.get(row.position, []))
        if found != wanted:
            yield f"I9 position {row.position}: told {len(found)} times, wanted {len(wanted)}"
    if extra := set(by_position) - {row.position for row in seen.rows}:
        yield f"I9 told of positions {sorted(extra)[:5]}, which do not exist"


def _rests(calls: Sequence[Call], rests: Sequence[Rest]) -> Iterable[str]:
    for call in calls:
        if call.status == 201 and any(rest.began < call.began and call.ended < rest.ended for rest in rests):
            yield f"I10 {call.participant} was allocated during a pause"
