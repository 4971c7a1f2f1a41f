"""Queries that wait too long for an answer are told: to the coordinators, later to the principal investigator, then to
the trial managers. One mail per person, hospital and week, as long as something waits; numbers and codes alone.

Planning is one statement. A query waits since it was asked, or last asked again; from `query_days` local days on the
coordinators are told, and so on by the settings of the protocol in force.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from trialsite.audit.context import acting
from trialsite.casebook.models import Query
from trialsite.core import clock
from trialsite.outbox.holders import TOLD
from trialsite.outbox.models import Message
from trialsite.outbox.recipients import reader
from trialsite.outbox.resolvers import Answer, Cancel, Send
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import User

KIND: Final = "query"
# Who is told after how many days without an answer: role, setting, its default.
RUNGS: Final = (
    ("coordinator", "query_days", 7),
    ("pi", "query_pi_days", 14),
    ("trial_manager", "query_manager_days", 28),
)
_NOTHING: Final = Cancel(gettext_noop("nothing is due any more"))
_LAST_WEEKS: Final = Cancel(gettext_noop("its week is over"))

PLAN: Final = """
WITH rung AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rungs)s::jsonb) AS r(days int, ladder text[])
), waiting AS MATERIALIZED (
    SELECT q.site_id, q.reveals_arm, min(coalesce(again.at, q.created_at)) AS since
      FROM casebook_query q
      LEFT JOIN LATERAL (SELECT max(m.created_at) AS at FROM casebook_querymessage m
                          WHERE m.query_id = q.id AND m.act = 'reopen') again ON true
     WHERE q.state = 'open' AND q.created_at < %(before)s
     GROUP BY q.site_id, q.reveals_arm
), moment AS MATERIALIZED (
    SELECT waiting.site_id, waiting.reveals_arm, rung.days, rung.ladder, week.monday, due.at AS due_at
      FROM waiting CROSS JOIN rung JOIN sites_site s ON s.id = waiting.site_id
     CROSS JOIN LATERAL (SELECT date_trunc('week', %(now)s AT TIME ZONE s.timezone)::date AS monday) week
     CROSS JOIN LATERAL (
           SELECT (greatest(week.monday, (waiting.since AT TIME ZONE s.timezone)::date + rung.days) + %(at)s::time)
                  AT TIME ZONE s.timezone AS at) due
     WHERE due.at <= %(now)s
), {told}
INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                            state, attempts, answer)
SELECT %(now)s, concat_ws(':', 'query', site_id, monday, 'user', user_id, 'email'), %(kind)s, 'user:' || user_id,
       'email', jsonb_build_object('week', monday, 'days', days, 'role', role), '', site_id, due_at, 'pending', 0, ''
  FROM (SELECT DISTINCT ON (site_id, user_id) * FROM moment JOIN told USING (site_id, reveals_arm, ladder)
         ORDER BY site_id, user_id, days, due_at) earliest
 ORDER BY site_id, user_id
ON CONFLICT (key) DO NOTHING
""".replace("{told}", TOLD)


def plan(*, actor: User, now: dt.datetime) -> int:
    """Write this week's reminders that are due and not written yet; returns how many were new."""
    version = ProtocolVersion.objects.current()
    if version is None:
        return 0
    settings: Mapping[str, Any] = version.definition.settings
    after = {role: int(settings.get(name, default)) for role, name, default in RUNGS}
    rungs = [{"days": days, "ladder": version.definition.ladder(role)} for role, days in after.items()]
    values = {
        "rungs": json.dumps(rungs),
        "kind": KIND,
        "now": now,
        "at": settings.get("digest_at", "07:30"),
        # A day too many, since local days begin at other instants; the exact day decides after.
        "before": now - dt.timedelta(days=min(after.values()) - 1),
    }
    with acting(actor), connection.cursor() as cursor:
        require(actor, SCHEDULE_PLAN)
        cursor.execute(PLAN, values)
        new: int = cursor.rowcount
        return new


def resolve(message: Message, now: dt.datetime) -> Answer:
    """How many queries wait at this moment at the message's hospital, as far as its reader may see them."""
    user = reader(message, role=message.payload["role"])
    if isinstance(user, Cancel):
        return user
    site = message.site
    today = clock.local_date(now, site.timezone)
    if (today - dt.timedelta(days=today.weekday())).isoformat() != message.payload["week"]:
        return _LAST_WEEKS
    days = message.payload["days"]
    since = dt.datetime.combine(today - dt.timedelta(days=days - 1), dt.time(), ZoneInfo(site.timezone))
    rows = Query.objects.visible_to(user).filter(site=site).waiting_since(since)
    waiting = Counter(rows.values_list("participant__code", flat=True))
    if not waiting:
        return _NOTHING
    with override(user.language):
        codes = ", ".join(f"{code}: {number}" for code, number in sorted(waiting.items()))
        return Send(
            user.email,
            _("Queries wait for an answer: {hospital}").format(hospital=site.name),
            _(
                "{hospital}: queries that have waited {days} days or longer for an answer: {number}\n"
                "By participant: {codes}\n"
                "Please answer them in the casebook. You can switch these reminders off under “My messages”."
            ).format(hospital=site.name, days=days, number=waiting.total(), codes=codes),
        )
