"""The first page: accrual against target, counts by status, what waits for a person."""

from typing import Any

from django.http import HttpRequest

from trialsite.casebook.models import Query
from trialsite.console import consort, reading
from trialsite.enrollment.consort import flow
from trialsite.outbox.models import Message
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import has
from trialsite.staff.capabilities import DASHBOARD_VIEW


def context(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Adds what `admin/index.html` shows; nothing for accounts that see no participants."""
    actor: Any = request.user
    if not has(actor, DASHBOARD_VIEW):
        return page
    due = reading.visits_due(actor, within=0)
    accrual = reading.accrual(actor)
    randomized, target = sum(row.randomized for row in accrual), sum(row.site.target for row in accrual)
    drawn = ProtocolVersion.objects.current()
    return page | {
        "consort": consort.figure(flow(actor), drawn.definition) if drawn else None,
        "accrual": accrual,
        "randomized": randomized,
        "target": target,
        "statuses": reading.by_status(actor),
        "overdue": sum(row.urgency == "overdue" for row in due),
        "closing": sum(row.urgency == "closing" for row in due),
        "open_queries": Query.objects.visible_to(actor).open().count(),
        "messages_waiting": Message.objects.for_person(actor).count(),
        "steps_waiting": len(reading.steps_due(actor)),
    }
