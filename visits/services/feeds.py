"""Addresses of calendar feeds."""

import hashlib
import secrets

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.staff.access import require, require_signed_in
from trialsite.staff.capabilities import FEED_OWN
from trialsite.staff.models import User
from visits.models import Feed


def digest_of(secret: str) -> str:
    """What is kept of a secret: 32 random bytes need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make_feed(*, actor: User, name: str) -> tuple[Feed, str]:
    """A new feed and its secret, which is shown this once and never again. Raises NotByToken.

    Whoever knows the secret sees what the person may see, at all of their hospitals.
    """
    require_signed_in(actor)
    with acting(actor):
        require(actor, FEED_OWN)
        secret = secrets.token_urlsafe(32)
        return Feed.objects.create(user=actor, name=name.strip() or "–", digest=digest_of(secret)), secret


def revoke_feed(*, actor: User, feed: Feed) -> Feed:
    """The address answers no more. One's own feeds only; again changes nothing."""
    with acting(actor):
        require(actor, FEED_OWN)
        locked = Feed.objects.select_for_update().filter(pk=feed.pk, user=actor).first()
        if locked is None:
            raise NotFound
        if locked.revoked_at is None:
            locked.revoked_at = clock.now()
            locked.save(update_fields=["revoked_at"])
        return locked
