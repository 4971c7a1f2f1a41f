"""Tokens of programs: made once, narrowed to scopes and hospitals, dead with the person who answers for them."""

import datetime as dt
import logging
import re
from collections.abc import Collection
from typing import Final

from django.core.cache import cache
from django.db import connection
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from knox.crypto import hash_token
from knox.models import get_digest_token
from knox.settings import CONSTANTS
from redis.exceptions import RedisError

from trialsite.audit.context import acting, present_origin
from trialsite.audit.notes import note_refusal
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.core.statements import columns_of, made_of
from trialsite.staff import limits
from trialsite.staff.access import capabilities_of, require_signed_in, sites_of
from trialsite.staff.errors import BeyondOwnRights
from trialsite.staff.keeping import require_keeping
from trialsite.staff.models import Token, TokenUse, User, system_actor

log = logging.getLogger(__name__)
# What a secret looks like; nothing else is looked up.
SHAPE: Final = re.compile(rb"[0-9a-f]{64}")
# Of refused tokens so many lines are written in five minutes, for one address and for all together.
_LINES: Final = {"address": 20, "all": 200}
# As `TokenQuerySet.alive` has it.
_OPENED: Final = """
SELECT {token}, {user}
  FROM staff_token t
  JOIN staff_user u ON u.id = t.user_id AND u.is_active
  JOIN staff_user r ON r.id = t.responsible_id AND r.is_active
 WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expiry IS NULL OR t.expiry > %s)
   AND EXISTS (SELECT FROM staff_membership m
                WHERE m.user_id = r.id AND m.starts_at <= statement_timestamp()
                  AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
"""


def issue_token(
    *,
    actor: User,
    user: User,
    name: str,
    valid_for: dt.timedelta,
    scopes: Collection[str] | None = None,
    sites: Collection[int] | None = None,
    responsible: User | None = None,
) -> str:
    """A new API token of `user`, returned this once; only its digest is stored.

    `scopes` are capabilities (None: all that `user` holds now), `sites` ids of hospitals (None: all that `user` has).
    `responsible` is the person who answers for it: `user`, or for a program's account the actor.
    Raises NotByToken, BeyondOwnRights where more is asked than `user` has, Invalid where no person answers for it.
    """
    require_signed_in(actor)
    if actor.pk != user.pk:
        require_keeping(actor, user)
    held = capabilities_of(user)
    wanted = sorted(held if scopes is None else set(scopes))
    if not wanted:
        raise Invalid(fields={"scopes": [str(BeyondOwnRights.message)]})
    if not held.issuperset(wanted):
        raise BeyondOwnRights(fields={"scopes": sorted(set(wanted) - held)})
    places = None if sites is None else _places(user, wanted, sites)
    answering = responsible or (user if user.kind == User.Kind.PERSON else actor)
    if answering.kind != User.Kind.PERSON or not answering.is_active:
        raise Invalid(fields={"responsible": [_("Name the person who answers for this token.")]})
    digest, secret = get_digest_token()
    with acting(actor):
        token = Token.objects.create(
            digest=digest,
            token_key=secret[: CONSTANTS.TOKEN_KEY_LENGTH],
            user=user,
            responsible=answering,
            name=name,
            scopes=wanted,
            sites=places,
            expiry=clock.now() + valid_for,
        )
        TokenUse.objects.create(token=token)
    return str(secret)


def end_token(*, actor: User, token: Token) -> None:
    """End a token now: its owner, who answers for it, or who keeps the account. The row stays, to be told of."""
    if actor.pk not in (token.user_id, token.responsible_id):
        require_keeping(actor, token.user)
    with acting(actor):
        Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now())


def opened_by(secret: bytes) -> Token | None:
    """The token of this secret with its user, where it is `alive`; None otherwise.

    Every request of a program asks this: one statement, which Django would build anew each time.
    """
    if not SHAPE.fullmatch(secret):
        return None
    statement = _OPENED.format(token=columns_of(Token, "t"), user=columns_of(User, "u"))
    with connection.cursor() as cursor:
        cursor.execute(statement, [hash_token(secret.decode()), clock.now()])
        found = cursor.fetchone()
    if found is None:
        return None
    own = len(Token._meta.concrete_fields)
    token = made_of(Token, found[:own])
    token.user = made_of(User, found[own:])
    return token


def record_use(token: Token) -> None:
    """Write down the last use, at most once a minute, and without waiting for a request that writes it just now."""
    try:
        if not cache.add(f"token-used:{token.token_key}", 1, 60):
            return
    except RedisError:
        log.warning("the use of a token is not written down: the cache does not answer")
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE staff_tokenuse SET last_used_at = clock_timestamp() WHERE token_id = (SELECT token_id"
            " FROM staff_tokenuse WHERE token_id = %s FOR UPDATE SKIP LOCKED)",
            [token.pk],
        )


def note_dead(secret: bytes) -> None:
    """Note that a token was refused: unknown (trailed by a keyed digest), ended, or dead with its people."""
    token = (
        Token.objects.filter(digest=hash_token(secret.decode())).first() if SHAPE.fullmatch(secret) else None
    )
    if token is None:
        mark = salted_hmac("trialsite.staff.tokens", secret).hexdigest()[:16]
        _note_refused(system_actor("system.door"), "", {"why": "unknown", "unknown_token": mark})
        return
    ended = "revoked" if token.revoked_at else "expired" if token.expiry <= clock.now() else "holder"
    _note_refused(system_actor("system.door"), token.pk, {"why": ended})


def note_beyond(actor: User, capability: str) -> None:
    """Note that a living token was refused because `capability` is not among its scopes."""
    if actor.token is not None and capability not in actor.token.scopes:
        _note_refused(actor, actor.token.pk, {"why": "scope", "capability": capability})


def _note_refused(actor: User, key: object, details: dict[str, str]) -> None:
    """The same refusal from one address once in five minutes, and of all no more than `_LINES`: no flood."""
    address = present_origin().address
    told = salted_hmac("trialsite.staff.tokens", f"{address} {key} {sorted(details.items())}").hexdigest()
    try:
        if not cache.add(f"token-refused:{told}", 1, limits.WINDOW):
            return
        counted = [limits.count("token-refused", whose) for whose in (address, "all")]
    except RedisError:
        log.warning("a refused token is not in the trail: the cache does not answer")
        return
    if all(tries <= most for (tries, _), most in zip(counted, _LINES.values(), strict=True)):
        note_refusal(actor=actor, action="token_refused", about="staff_token", key=key, details=details)


def _places(holder: User, scopes: Collection[str], sites: Collection[int]) -> list[int]:
    """The ids to store: each a hospital where the holder has one of `scopes`."""
    wanted = sorted(set(sites))
    reached: set[int] = set()
    for scope in scopes:
        mine = sites_of(holder, scope)
        if mine is None:
            return wanted
        reached |= set(mine)
    if not wanted or not reached.issuperset(wanted):
        raise BeyondOwnRights(fields={"sites": [str(BeyondOwnRights.message)]})
    return wanted
