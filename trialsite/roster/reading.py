"""The report of access: who has which role where since when, last sign-in, training, what is remarkable."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q

from trialsite.audit.context import Actor
from trialsite.core import clock
from trialsite.roster import rules
from trialsite.roster.models import Delegation, Training
from trialsite.sites.models import Site
from trialsite.staff.capabilities import clash
from trialsite.staff.models import Membership, User
from trialsite.staff.wording import role_name


@dataclass(frozen=True)
class Access:
    """One membership at one hospital; `everywhere`: the role holds at all of them. Dates are the hospital's."""

    membership: int
    username: str
    full_name: str
    kind: str
    role: str
    everywhere: bool
    since: dt.date
    until: dt.date | None
    last_sign_in: dt.date | None
    last_act: dt.date | None
    training: tuple[str, ...]
    tasks: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def role_name(self) -> str:
        """The role in the reader's language."""
        return role_name(self.role)

    def document(self) -> dict[str, Any]:
        """As JSON stores it."""
        return {
            name: value.isoformat() if isinstance(value, dt.date) else value
            for name, value in dataclasses.asdict(self).items()
        }


def report(actor: Actor, site: Site) -> list[Access]:
    """Every membership that reaches `site`, present ones first. A constant number of queries."""
    memberships = list(
        Membership.objects.filter(Q(site=site) | Q(site=None))
        .exclude(user__kind=User.Kind.SYSTEM)
        .select_related("user")
        .order_by("user__username", "role", "starts_at")
    )
    today = clock.today(site.timezone)
    acts = _last_acts([one.user_id for one in memberships])
    training, tasks = _training(actor, site, today), _tasks(actor, site)
    held = _present_roles(memberships)
    rows = [_access(one, site, today, acts, training, tasks, held[one.user_id]) for one in memberships]
    return sorted(rows, key=lambda row: ("ended" in row.flags or "closed" in row.flags, row.username))


def _access(
    one: Membership,
    site: Site,
    today: dt.date,
    acts: dict[int, tuple[dt.datetime | None, dt.datetime | None]],
    training: dict[int, list[str]],
    tasks: dict[int, list[str]],
    held: set[str],
) -> Access:
    def local(at: dt.datetime | None) -> dt.date | None:
        return None if at is None else clock.local_date(at, site.timezone)

    signed_in, acted = acts.get(one.user_id, (None, None))
    begins, ends, last = clock.local_date(one.starts_at, site.timezone), local(one.ends_at), local(acted)
    trained = tuple(training.get(one.user_id, ()))
    over = one.ends_at is not None and one.ends_at <= clock.now()
    return Access(
        membership=one.pk,
        username=one.user.username,
        full_name=one.user.full_name,
        kind=one.user.kind,
        role=one.role,
        everywhere=one.site_id is None,
        since=begins,
        until=ends,
        last_sign_in=local(signed_in),
        last_act=last,
        training=trained,
        tasks=tuple(tasks.get(one.user_id, ())),
        flags=rules.flags(
            today=today,
            active=one.user.is_active,
            begins=begins,
            ends=min(ends, today) if over and ends else None,
            last_act=last,
            trained=bool(trained),
            person=one.user.kind == User.Kind.PERSON,
            apart=not any(clash(one.role, other) for other in held),
        ),
    )


def _present_roles(memberships: Sequence[Membership]) -> dict[int, set[str]]:
    """{user: roles that have not ended}."""
    now, found = clock.now(), defaultdict[int, set[str]](set)
    for one in memberships:
        if one.ends_at is None or one.ends_at > now:
            found[one.user_id].add(one.role)
    return found


def _last_acts(users: Sequence[int]) -> dict[int, tuple[dt.datetime | None, dt.datetime | None]]:
    """{user: (last sign-in, last act)} of the trail, which not every reader of the report may read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT actor_id, signed_in_at, acted_at FROM edc_last_acts(%s::bigint[])", [list(set(users))]
        )
        return {user: (signed_in, acted) for user, signed_in, acted in cursor.fetchall()}


def _training(actor: Actor, site: Site, today: dt.date) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    valid = Q(valid_until=None) | Q(valid_until__gte=today)
    rows = Training.objects.visible_to(actor).filter(valid, site=site)
    for user, topic in rows.order_by("topic").values_list("user_id", "topic").distinct():
        found[user].append(topic)
    return found


def _tasks(actor: Actor, site: Site) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for user, task in (
        Delegation.objects.visible_to(actor).open().filter(site=site).values_list("user_id", "task")
    ):
        found[user].append(task)
    return found
