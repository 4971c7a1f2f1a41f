"""Sessions in the database, each with its person, so that they can be listed, and ended from elsewhere.

A request whose session was ended meanwhile cannot write it again: Django answers 400, and the browser is a stranger.
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.staff.models import Session, User, system_actor

# The trail names a session by its beginning: enough to tell sessions apart, useless to whoever reads it there.
SHOWN = 8


class SessionStore(DatabaseStore):
    """Django's own store, with our columns filled from what the session holds."""

    @classmethod
    def get_model_class(cls) -> Any:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        person = data.get("_auth_user_id")
        row.user_id = int(person) if person else None
        row.signed_in_at = clock.instant(data.get("since"))
        row.seen_at = clock.instant(data.get("seen"))
        row.address = data.get("address") or None
        row.browser = data.get("browser", "")
        return row


def begin(request: HttpRequest) -> None:
    """Write down when, from where and with what this person signed in, and sweep out what has run out."""
    now = clock.now()
    request.session.update(
        {
            "since": now.timestamp(),
            "seen": now.timestamp(),
            "address": request.META.get("REMOTE_ADDR", ""),
            "browser": request.headers.get("User-Agent", "")[:200],
        }
    )
    _sweep()


def _sweep() -> None:
    """Delete what ran out while nobody came: whoever comes later is a stranger. Each person's end is noted."""
    now = clock.now()
    idle = now - dt.timedelta(seconds=settings.SESSION_IDLE_SECONDS)
    too_old = now - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
    over = Q(expire_date__lt=now) | Q(seen_at__lt=idle) | Q(signed_in_at__lt=too_old)
    with transaction.atomic():
        rows = Session.objects.filter(over).select_for_update(skip_locked=True)
        found = list(rows.values_list("session_key", "user_id"))
        Session.objects.filter(session_key__in=[key for key, _ in found]).delete()
        for key, person in found:
            if person is not None:
                note(
                    actor=system_actor("system.door"),
                    action="session_expired",
                    about="staff_user",
                    key=person,
                    details={"session": key[:SHOWN]},
                )


def of(user: User) -> list[Session]:
    """The sessions in which `user` is signed in, the one used last first."""
    return list(Session.objects.filter(user=user, expire_date__gt=clock.now()).order_by("-seen_at"))


def end(*, actor: User, user: User, mark: str = "", sparing: str = "") -> int:
    """End sessions of `user`: the one whose key begins with `mark`, or all but the key `sparing`; returns how many.

    A person ends the own ones; whoever keeps accounts ends those of others by disabling or inviting anew.
    """
    chosen = Session.objects.filter(user=user).exclude(session_key=sparing)
    if mark:
        chosen = chosen.filter(session_key__startswith=mark)
    keys = list(chosen.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    for key in keys:
        note(
            actor=actor,
            action="session_end",
            about="staff_user",
            key=user.pk,
            details={"session": key[:SHOWN]},
        )
    return len(keys)
