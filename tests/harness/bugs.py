"""Thirteen planted bugs: what others' systems do, or what a careless change would bring. Only here, only in a harness.

Each patches the services of the serving process, once the guards of the database that would turn it into an error are
opened. Whom it hits is decided by the seed and by the entry, key or participant at hand, never by the order of threads:
the same seed hits the same again.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.db.models import Max

from randomization import opening
from randomization import services as randomization
from randomization.models import Allocation, Scheme, Stratum
from randomization.rules import factors
from trialsite.enrollment import locking, notices
from trialsite.enrollment.services import allocating
from trialsite.outbox import services as outbox
from trialsite.participants.models import Participant

# What stands behind the lock: without it a race is an error, and no bug could show.
DOORS = (
    "DROP TRIGGER randomization_allocation_fits ON randomization_allocation",
    "DROP TRIGGER randomization_stratum_moved ON randomization_stratum",
    "DROP TRIGGER randomization_scheme_moved ON randomization_scheme",
    "DROP TRIGGER randomization_scheme_frozen ON randomization_scheme",
    "CREATE SEQUENCE harness_sequence",
    "GRANT USAGE ON SEQUENCE harness_sequence TO edc_app",
)
CONSTRAINTS = (
    """DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'randomization_allocation'::regclass
                     AND contype = 'u' LOOP
            EXECUTE format('ALTER TABLE randomization_allocation DROP CONSTRAINT %I CASCADE', name);
        END LOOP; END $$""",
)
OPEN = DOORS + CONSTRAINTS
# (what is at hand) → a number from 0 to 1.
Chance = Callable[..., float]


@contextlib.contextmanager
def planted(name: str, seed: int) -> Iterator[None]:
    """The bug `name` in this process, as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        for target, attribute, what in BUGS[name](chance_of(seed)):
            stack.enter_context(mock.patch.object(target, attribute, what))
        yield


def chance_of(seed: int) -> Chance:
    """The chance of this seed: the same for the same things at hand, whenever it is asked."""
    return lambda *at_hand: random.Random(f"bug-{seed}-{at_hand}").random()


Patches = list[tuple[Any, str, Any]]


def _own_index(pick: Callable[[Stratum], int], *, pause: float = 0.004) -> Patches:
    """`allocate` without the scheme's lock, the next entry chosen by `pick`."""

    def lock(trial: str) -> Any:
        return Scheme.objects.get(trial=trial), True

    def advance(stratum: Stratum, counter: str) -> int:
        index = pick(stratum)
        time.sleep(pause)
        Stratum.objects.filter(pk=stratum.pk).update(next_index=index + 1)
        return index

    return [(randomization, "_lock", lock), (randomization, "_advance", advance)]


def _one_more(stratum: Stratum) -> int:
    """The largest entry that is used, and one more."""
    return (Allocation.objects.filter(stratum=stratum).aggregate(most=Max("index"))["most"] or 0) + 1


def _read_max(chance: Chance) -> Patches:
    return _own_index(_one_more)


def _sequence(chance: Chance) -> Patches:
    def pick(stratum: Stratum) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('harness_sequence')")
            index = int(cursor.fetchone()[0])
        if chance(index) < 0.3:
            raise ConnectionError("the caller is gone after it took a number")
        return index

    return _own_index(pick, pause=0)


def _skip_locked(chance: Chance) -> Patches:
    """The first entry that nobody holds or has. Whoever held one and went away leaves it to someone who comes later."""
    gone: set[tuple[str, int]] = set()

    def held(stratum: Stratum) -> list[int]:
        """Entries whose holder has gone away, until so many others went on that somebody came after their answers."""
        return [
            index
            for key, index in gone
            if key == stratum.key and Allocation.objects.filter(stratum=stratum, index__gt=index).count() < 6
        ]

    def pick(stratum: Stratum) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT index FROM randomization_sealedentry e WHERE stratum_id = %s AND kind = 'main' AND NOT EXISTS"
                " (SELECT FROM randomization_allocation a WHERE a.stratum_id = e.stratum_id AND a.index = e.index)"
                " AND index <> ALL (%s) ORDER BY index LIMIT 1 FOR UPDATE SKIP LOCKED",
                [stratum.pk, held(stratum)],
            )
            index = int(cursor.fetchone()[0])
        entry = (stratum.key, index)
        # Every second of the first three: none so late that nobody comes after it.
        if index <= 3 and chance(entry) < 0.5 and entry not in gone:
            gone.add(entry)
            raise ConnectionError("the caller is gone while it held an entry, and others went on")
        return index

    return _own_index(pick)


def _answer_before_commit(chance: Chance) -> Patches:
    real = allocating._randomize

    def early(*arguments: Any) -> Any:
        outcome = real(*arguments)
        if chance(arguments[1].code) < 0.3:
            transaction.set_rollback(True)
        return outcome

    return [(allocating, "_randomize", early)]


def _dropped_constraint(chance: Chance) -> Patches:
    """Neither the participant's row is locked nor an earlier allocation looked for."""

    def unlocked(key: int | str, **_: Any) -> Any:
        named = {"code": key} if isinstance(key, str) else {"pk": key}
        found = Participant.objects.with_protocol().get(**named)
        time.sleep(0.1)
        return found

    def move(actor: Any, participant: Any, step: Any, **_: Any) -> Any:
        Participant.objects.filter(pk=participant.pk).update(status=step.to)
        return participant

    return [
        (Participant.objects, "lock", unlocked),
        (locking, "move", move),
        (randomization, "stored", lambda **_: None),
        *_own_index(_one_more),
    ]


def _lost_notification(chance: Chance) -> Patches:
    real = notices.announce_allocation
    return [
        (
            notices,
            "announce_allocation",
            lambda **said: 0 if chance(said["participant"].code) < 0.3 else real(**said),
        ),
    ]


def _double_notification(chance: Chance) -> Patches:
    real = outbox.tell

    def twice(**message: Any) -> int:
        if chance(message["key"]) < 0.3:
            real(**message | {"key": f"{message['key']}:again"})
        return real(**message)

    return [(outbox, "tell", twice)]


def _any_stratum(scheme: Any, strata: Any, **_: Any) -> Any:
    return Stratum.objects.get(scheme=scheme, key=factors.key(strata))


def _cap_ignored(chance: Chance) -> Patches:
    return [(randomization, "_require_open", _any_stratum)]


def _gap(chance: Chance) -> Patches:
    real = randomization._advance

    def skipping(stratum: Stratum, counter: str) -> int:
        index = real(stratum, counter)
        return real(stratum, counter) if chance(stratum.key, index) < 0.2 else index

    return [(randomization, "_advance", skipping)]


def _wrong_arm(chance: Chance) -> Patches:
    real = opening.open_next

    def other(scheme: Any, stratum: Stratum, index: int, *rest: Any) -> Any:
        opened = real(scheme, stratum, index, *rest)
        if chance(stratum.key, index) < 0.2:
            return replace(opened, arm=next(arm for arm in scheme.arms if arm != opened.arm))
        return opened

    return [(opening, "open_next", other)]


def _forgotten_idempotency(chance: Chance) -> Patches:
    """A repetition is answered with where the ledger stands now."""
    real = randomization.stored

    def newest(**asked: Any) -> Any:
        known = real(**asked)
        if known is None:
            return None
        scheme = Scheme.objects.get()
        return replace(known, position=scheme.position + 1, ledger_head=scheme.head)

    return [(randomization, "stored", newest)]


def _stale_head(chance: Chance) -> Patches:
    real = randomization._record

    def stale(actor: Any, scheme: Any, *rest: Any) -> Any:
        if chance(scheme.position) < 0.2:
            scheme.head = "0" * 64
        return real(actor, scheme, *rest)

    return [(randomization, "_record", stale)]


BUGS: dict[str, Callable[[Chance], Patches]] = {
    "read max": _read_max,
    "sequence": _sequence,
    "skip locked": _skip_locked,
    "answer before commit": _answer_before_commit,
    "dropped constraint": _dropped_constraint,
    "lost notification": _lost_notification,
    "double notification": _double_notification,
    "cap ignored": _cap_ignored,
    "pause ignored": _cap_ignored,
    "gap": _gap,
    "wrong arm": _wrong_arm,
    "forgotten idempotency": _forgotten_idempotency,
    "stale head": _stale_head,
}
# What gives each of them away; a bug may break other invariants besides.
CAUGHT_BY = {
    "read max": "I2",
    "sequence": "I3",
    "skip locked": "I7",
    "answer before commit": "I6",
    "dropped constraint": "I1",
    "lost notification": "I9",
    "double notification": "I9",
    "cap ignored": "I10",
    "pause ignored": "I10",
    "gap": "I3",
    "wrong arm": "I4",
    "forgotten idempotency": "I5",
    "stale head": "I8",
}
