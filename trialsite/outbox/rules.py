"""The fate of a message: pure."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"sending"}),
    "sending": frozenset({"pending", "sent", "cancelled", "failed", "uncertain"}),
    "sent": frozenset(),
    "cancelled": frozenset(),
    "failed": frozenset({"pending", "given_up"}),
    "uncertain": frozenset({"pending", "sent", "given_up"}),
    "given_up": frozenset(),
}
# What a person works off; the machine never sends these again by itself.
FOR_PERSON: Final = ("failed", "uncertain")
MOST_ATTEMPTS: Final = 8
# A worker that says nothing for this long has died between the provider's answer and our commit, or before.
STALE_AFTER: Final = dt.timedelta(minutes=10)
# A provider that keeps our keys is asked for this long what became of such a message; then a person looks.
ASKED_FOR: Final = dt.timedelta(days=1)
_ADDRESS: Final = re.compile(r"""(?:"[^"]*"|[^\s<>()\[\]"',;:]+)@[^\s<>()\[\]"',;:]+""")


def leading_to(state: str) -> list[str]:
    """The states from which a message may become `state`."""
    return sorted(before for before, after in TRANSITIONS.items() if state in after)


def retry_at(attempts: int, now: dt.datetime) -> dt.datetime | None:
    """When to try again after `attempts` temporary failures: 1, 2, 4 … 64 minutes later; None when it is enough."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + dt.timedelta(minutes=2 ** (attempts - 1))


@dataclass(frozen=True)
class Rung:
    """One step of an escalation: the holders of `role` are told once `after` has passed and nothing was done."""

    role: str
    after: dt.timedelta


def climbed(ladder: Sequence[Rung], since: dt.datetime, now: dt.datetime) -> Rung | None:
    """The rung whose turn it is at `now` for something open `since`: the last one passed, None before the first.

    Rungs that passed unseen (the program stood still) collapse into the present one.
    """
    passed = [rung for rung in ladder if since + rung.after <= now]
    return max(passed, key=lambda rung: rung.after, default=None)


def without_address(answer: str, to: str) -> str:
    """A server's answer that can be kept: no mail address, no control characters, at most 300 characters.

    `to` is the reader's address; servers also call a mailbox by the part before the @ alone.
    """
    printable = "".join(sign if sign.isprintable() else " " for sign in answer)
    mailbox = re.escape(to.rpartition("@")[0])
    hidden = _ADDRESS.sub("…", " ".join(printable.split()))
    if mailbox:
        hidden = re.sub(rf"(?<!\w){mailbox}(?!\w)", "…", hidden, flags=re.IGNORECASE)
    return hidden[:300]
