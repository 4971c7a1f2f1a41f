"""Whether the database is the one that went on from the last allocation, or one brought back from a backup.

Three signs of a restored backup: the witness is missing or further than the ledger, PostgreSQL's system identifier
changed, or its timeline did. Then allocation rests until two different people have entered position and head of the
last mail, and these are the ones of the ledger in the database. Sources: docs/randomization-format.md; ICH E6(R3) 4.2.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_noop

from randomization import witness
from randomization.errors import HeadDiffers, NoList, NothingToAttest
from randomization.models import Attestation, Era, Scheme
from trialsite.audit.context import acting
from trialsite.staff.access import require
from trialsite.staff.capabilities import LEDGER_ATTEST
from trialsite.staff.models import User

MISSING = gettext_noop("the witness of the ledger is missing or cannot be written")
AHEAD = gettext_noop("the witness knows later allocations than the database")
OTHER = gettext_noop("the witness knows another ledger than the database")
RESTORED = gettext_noop("the database was brought back from a backup or moved to another server")


@dataclass(frozen=True)
class Standing:
    """Why allocation rests (empty when it does not), and who has attested so far.

    Position and head are left out on purpose: they are to be read from a mail, not from here.
    """

    why: str
    attested_by: tuple[str, ...]


def break_in(scheme: Scheme, *, same_cluster: bool) -> str:
    """Why the ledger may not go on from here; an empty string when it may. `scheme` as read under its lock."""
    if not same_cluster:
        return RESTORED
    if witness.configured() is None:
        return ""
    try:
        seen = witness.last(scheme.trial, scheme.environment)
    except OSError:
        return MISSING
    if seen is None:
        return MISSING
    if seen.position > scheme.position:
        return AHEAD
    return OTHER if seen.position == scheme.position and seen.head != scheme.head else ""


def standing(*, actor: User) -> Standing:
    """Whether the ledger goes on; for whoever may attest."""
    with acting(actor):
        require(actor, LEDGER_ATTEST)
        scheme = Scheme.objects.first()
        if scheme is None:
            raise NoList
        return _standing(scheme)


def attest(*, actor: User, position: int, head: str) -> Standing:
    """One person's word on the last mail's position and head. The word of a second person lets allocation go on.

    Raises NothingToAttest while the ledger goes on anyway, HeadDiffers where the database's ledger is another one.
    """
    with acting(actor, reason="attested the last mailed head of the ledger"):
        require(actor, LEDGER_ATTEST)
        scheme = Scheme.objects.select_for_update().first()
        if scheme is None:
            raise NoList
        why = break_in(scheme, same_cluster=same_cluster(scheme))
        if not why:
            raise NothingToAttest
        if (position, head.strip().lower()) != (scheme.position, scheme.head):
            raise HeadDiffers
        era = _number(scheme)
        Attestation.objects.get_or_create(
            scheme=scheme, after_era=era, position=position, head=scheme.head, attested_by=actor
        )
        words = Attestation.objects.filter(scheme=scheme, after_era=era, position=position, head=scheme.head)
        if words.values("attested_by").distinct().count() >= 2:
            begin(scheme)
        return _standing(scheme)


def begin(scheme: Scheme) -> None:
    """A new era from where the ledger stands, written to the witness once it is committed."""
    cluster, timeline = circumstances()
    Era.objects.create(
        scheme=scheme,
        number=_number(scheme) + 1,
        cluster=cluster,
        timeline=timeline,
        position=scheme.position,
        head=scheme.head,
    )
    seen = witness.Head(scheme.trial, scheme.environment, scheme.position, scheme.head)
    transaction.on_commit(lambda: witness.append(seen, begins=True))


def circumstances() -> tuple[str, int]:
    """System identifier and timeline of the server."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cluster, timeline FROM edc_circumstances()")
        found: Any = cursor.fetchone()
    return str(found[0]), int(found[1])


def same_cluster(scheme: Scheme) -> bool:
    """Whether the newest era began on this server and timeline."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT edc_era_holds(%s)", [scheme.pk])
        return bool(cursor.fetchone()[0])


def _number(scheme: Scheme) -> int:
    newest = Era.objects.filter(scheme=scheme).order_by("-number").first()
    return newest.number if newest else 0


def _standing(scheme: Scheme) -> Standing:
    words = Attestation.objects.filter(
        scheme=scheme, after_era=_number(scheme), position=scheme.position, head=scheme.head
    ).select_related("attested_by")
    return Standing(
        break_in(scheme, same_cluster=same_cluster(scheme)),
        tuple(word.attested_by.full_name for word in words),
    )
