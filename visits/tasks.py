"""The planner of reminders."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core import clock
from trialsite.core.queue import task
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import system_actor
from visits import services
from visits.digest import plan_digests


@task(name="visits.tasks.plan_reminders", capability=SCHEDULE_PLAN)
def plan_reminders(self: Task) -> int:  # type: ignore[type-arg]
    """Write every reminder and digest whose moment has come; may run any number of times."""
    actor, now = system_actor("system.reminders"), clock.now()
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return services.plan_reminders(actor=actor, now=now) + plan_digests(actor=actor, now=now)
