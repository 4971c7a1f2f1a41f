"""Whether the database is the one that went on from the last allocation, or one brought back from a backup.

Three signs of a restored backup: the witness is missing or further than the ledger, PostgreSQL's system identifier
changed, or its timeline did. Then allocation rests until two different people have entered position and head of the
last mail, and these are the ones of the ledger in the database. Sources: docs/randomization-format.md; ICH E6(R3) 4.2.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext_noop

from randomization import witness
from randomization.errors import HeadDiffers, LedgerBehind, NoList, NothingToAttest, WitnessMissing
from randomization.models import Allocation, Attestation, Era, Scheme
from trialsite.audit.context import acting
from trialsite.staff.access import require
from trialsite.staff.capabilities import CAPABILITIES, LEDGER_ATTEST
from trialsite.staff.models import Membership, User, system_actor

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
    return "" if seen.head == _head_at(scheme, seen.position) else OTHER


def _head_at(scheme: Scheme, position: int) -> str | None:
    """Where the ledger stood at `position`: the witness lags behind where it could not be written after a commit."""
    if position == scheme.position:
        return scheme.head
    if position == 0:
        return Era.objects.filter(scheme=scheme, number=1).values_list("head", flat=True).first()
    # Other hospitals' rows, which the actor may not see, are read by the system alone.
    with acting(system_actor("system.loader")):
        row = Allocation.objects.filter(stratum__scheme=scheme, position=position)
        return row.values_list("hash", flat=True).first()


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

    Raises NothingToAttest while the ledger goes on anyway, HeadDiffers where the database's ledger is another one, and
    LedgerBehind where the witness has seen it further: then the mail that people have taken for the last is not.
    """
    with acting(actor, reason="attested the last mailed head of the ledger"):
        require(actor, LEDGER_ATTEST)
        scheme = Scheme.objects.select_for_update().first()
        if scheme is None:
            raise NoList
        why = break_in(scheme, same_cluster=same_cluster(scheme))
        if not why:
            raise NothingToAttest
        if _is_behind(scheme):
            raise LedgerBehind
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


def _is_behind(scheme: Scheme) -> bool:
    """Whether the witness, where there is one to be read, knows allocations that this database lacks."""
    if witness.configured() is None:
        return False
    try:
        seen = witness.last(scheme.trial, scheme.environment)
    except OSError:
        return False
    return seen is not None and seen.position > scheme.position


def begin(scheme: Scheme) -> None:
    """A new era from where the ledger stands, written to the witness once it is committed. Raises WitnessMissing."""
    cluster, timeline = circumstances()
    Era.objects.create(
        scheme=scheme,
        number=_number(scheme) + 1,
        cluster=cluster,
        timeline=timeline,
        position=scheme.position,
        head=scheme.head,
    )
    try:
        witness.prepare()
    except OSError as error:
        raise WitnessMissing(why=error.strerror) from error
    seen = witness.Head(scheme.trial, scheme.environment, scheme.position, scheme.head)
    transaction.on_commit(lambda: witness.append_committed(seen, begins=True))


def ready() -> str:
    """`ok`, or what keeps the list of this server from being used; with a warning where too few get the ledger's mails.

    For `/healthz/ready`: a page that nobody has to sign in for, so that it tells neither hospital nor person.
    """
    try:
        with acting(system_actor("system.loader")):
            scheme = Scheme.objects.first()
            if scheme is None:
                return "ok (no list)"
            if scheme.environment != settings.TRIALSITE_ENV:
                return f"the list is of the environment {scheme.environment}"
            roles = [role for role, held in CAPABILITIES.items() if LEDGER_ATTEST in held]
            mailed = Membership.objects.current().filter(role__in=roles, user__kind=User.Kind.PERSON)
            people = mailed.exclude(user__email="").values("user_id").distinct().count()
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    # Two different people are needed to attest the ledger after a restored backup.
    return (
        "ok"
        if people >= 2
        else "ok, but fewer than two people get the mails that a restored ledger is attested by"
    )


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
