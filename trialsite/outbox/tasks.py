"""The sender."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core.queue import task
from trialsite.outbox import services
from trialsite.staff.capabilities import OUTBOX_SEND
from trialsite.staff.models import system_actor


@task(name="trialsite.outbox.tasks.send_due", capability=OUTBOX_SEND)
def send_due(self: Task) -> int:  # type: ignore[type-arg]
    """Send everything that is due; may run any number of times at once."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return services.send_due(actor=system_actor("system.outbox"))
