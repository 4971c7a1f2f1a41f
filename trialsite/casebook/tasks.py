"""The planner of reminders of queries."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.casebook import reminders
from trialsite.core import clock
from trialsite.core.queue import task
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import system_actor


@task(name="trialsite.casebook.tasks.remind", capability=SCHEDULE_PLAN)
def remind(self: Task) -> int:  # type: ignore[type-arg]
    """Put what has waited too long; may run any number of times."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return reminders.plan(actor=system_actor("system.reminders"), now=clock.now())
