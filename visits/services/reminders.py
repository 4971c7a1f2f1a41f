"""The planner of reminders."""

import datetime as dt
import json

from django.db import connection

from trialsite.audit.context import acting
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import require
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import User
from visits import rules
from visits.planning import PLAN


def plan_reminders(*, actor: User, now: dt.datetime) -> int:
    """Write every reminder whose moment has come to the outbox, in one statement; returns how many were new."""
    versions = list(ProtocolVersion.objects.defer("document"))
    moments = [
        {
            "rank": rank,
            "protocol_version": version.pk,
            "kind": rule.kind,
            "audience": rule.audience,
            "ladder": version.definition.ladder(rule.audience),
            "relative_to": rule.relative_to,
            "offset_days": rule.offset_days,
            "at": rule.at,
            "channel": rule.channel,
        }
        for version in versions
        for rank, rule in enumerate(version.definition.reminders)
    ]
    widest = max(
        (visit.before + visit.after for version in versions for visit in version.definition.visits), default=0
    )
    values: dict[str, str | int | dt.date | list[str]] = {
        "kind": "visit",
        "rules": json.dumps(moments),
        "now": now,
        "today": now.astimezone(dt.UTC).date(),
        "widest": widest,
        "left": list(rules.LEFT),
    }
    with acting(actor), connection.cursor() as cursor:
        require(actor, SCHEDULE_PLAN)
        cursor.execute(PLAN, values)
        new: int = cursor.rowcount
        return new
