"""The coordinators' daily digest: one mail per person and day, what is due at their hospitals by codes alone.

Planning is one statement, like that of reminders: it writes a message for each coordinator at whose hospital it is
`digest_at` or later, who has had none today, and at whose hospitals something is due. What the mail lists is read when
it leaves, with the rights of the person who reads it.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox.models import Message
from trialsite.outbox.recipients import NO_ROLE, reader
from trialsite.outbox.resolvers import Answer, Cancel, Send
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import Membership, User
from visits import rules
from visits.models import Visit

ROLE: Final = "coordinator"
DEFAULT_AT: Final = "07:30"
# Visits that open within so many days belong into the digest when they are not booked.
AHEAD_DAYS: Final = 14
# A digest names at most so many visits of a kind at one hospital; the number is always told.
NAMED: Final = 20

PLAN: Final = """
WITH reader AS MATERIALIZED (
    SELECT u.id AS user_id, min(s.id) AS home, array_agg(DISTINCT s.id) AS sites
      FROM staff_membership m
      JOIN staff_user u ON u.id = m.user_id
      JOIN sites_site s ON m.site_id IS NULL OR m.site_id = s.id
     WHERE m.role = %(role)s AND u.is_active AND u.email <> '' AND u.kind = 'person'
       AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
       AND NOT EXISTS (SELECT FROM outbox_preference w WHERE w.user_id = u.id AND w.kind = 'digest' AND NOT w.wanted)
     GROUP BY u.id
), morning AS (
    SELECT reader.*, s.timezone, (%(now)s AT TIME ZONE s.timezone)::date AS day,
           ((%(now)s AT TIME ZONE s.timezone)::date + %(at)s::time) AT TIME ZONE s.timezone AS due_at
      FROM reader JOIN sites_site s ON s.id = reader.home
), turn AS (
    SELECT *, concat_ws(':', 'digest', user_id, day) AS key FROM morning WHERE due_at <= %(now)s
)
INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                            state, attempts, answer)
SELECT %(now)s, turn.key, 'digest', 'user:' || turn.user_id, 'email', jsonb_build_object('day', turn.day),
       '', turn.home, turn.due_at, 'pending', 0, ''
  FROM turn
 WHERE NOT EXISTS (SELECT FROM outbox_message m WHERE m.key = turn.key)
   AND EXISTS (SELECT FROM visits_visit v JOIN participants_participant p ON p.id = v.participant_id
                WHERE v.state IN ('expected', 'booked') AND v.opens_on <= turn.day + %(ahead)s
                  AND (v.state = 'expected' OR v.opens_on <= turn.day)
                  AND v.site_id = ANY (turn.sites) AND p.status <> ALL (%(left)s))
 ORDER BY turn.user_id
ON CONFLICT (key) DO NOTHING
"""

_YESTERDAYS: Final = Cancel(gettext_noop("its day is over"))
_NOTHING: Final = Cancel(gettext_noop("nothing is due any more"))


def plan_digests(*, actor: User, now: dt.datetime) -> int:
    """Write today's digests that are not written yet; returns how many were new."""
    version = ProtocolVersion.objects.current()
    at = version.definition.settings.get("digest_at", DEFAULT_AT) if version else DEFAULT_AT
    with acting(actor), connection.cursor() as cursor:
        require(actor, SCHEDULE_PLAN)
        cursor.execute(
            PLAN, {"role": ROLE, "now": now, "at": at, "ahead": AHEAD_DAYS, "left": list(rules.LEFT)}
        )
        new: int = cursor.rowcount
        return new


def resolve(message: Message, now: dt.datetime) -> Answer:
    """What is due at the recipient's hospitals at this moment, or why there is nothing to send."""
    user = reader(message)
    if isinstance(user, Cancel):
        return user
    sites = _hospitals(user)
    if not sites:
        return NO_ROLE
    home = Site.objects.get(pk=message.site_id)
    if clock.local_date(now, home.timezone).isoformat() != message.payload["day"]:
        return _YESTERDAYS
    with override(user.language):
        parts = [part for site in sites if (part := _of_hospital(user, site, now))]
        if not parts:
            return _NOTHING
        subject = _("What is due on {date}").format(date=message.payload["day"])
        return Send(user.email, subject, "\n\n".join([*parts, _closing_words()]))


def _hospitals(user: User) -> Sequence[Site]:
    held = Membership.objects.current().filter(user=user, role=ROLE).values_list("site_id", flat=True)
    ids = set(held)
    return list(
        Site.objects.order_by("pk") if None in ids else Site.objects.filter(pk__in=ids).order_by("pk")
    )


def _of_hospital(user: User, site: Site, now: dt.datetime) -> str:
    """The lines of one hospital; empty where nothing is due."""
    today = clock.local_date(now, site.timezone)
    due = (
        Visit.objects.visible_to(user)
        .open()
        .filter(site=site, opens_on__lte=today + dt.timedelta(days=AHEAD_DAYS))
        .exclude(participant__status__in=rules.LEFT)
        .select_related("participant")
        .order_by("closes_on", "participant__code", "code")
    )
    found: dict[str, list[str]] = {"overdue": [], "closing": [], "open": [], "to_book": []}
    for visit in due:
        name = f"{visit.participant.code} {visit.code}"
        pressing = rules.urgency(visit.state, visit.opens_on, visit.closes_on, today)
        if pressing in found:
            found[pressing].append(name)
        if visit.appointment_at is None and pressing != "overdue":
            found["to_book"].append(name)
    titles = {
        "overdue": _("overdue"),
        "closing": _("closing within 3 days"),
        "open": _("window open"),
        "to_book": _("to be booked"),
    }
    lines = [f"  {titles[kind]}: {_named(names)}" for kind, names in found.items() if names]
    return "\n".join([site.name, *lines]) if lines else ""


def _named(names: Sequence[str]) -> str:
    told = f"{len(names)} ({', '.join(names[:NAMED])}"
    more = len(names) - NAMED
    if more > 0:
        told += " " + _("and {number} more").format(number=more)
    return f"{told})"


def _closing_words() -> str:
    return _("The worklist shows the same, with links. You can switch this digest off under “My messages”.")
