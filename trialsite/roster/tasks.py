"""The daily witness."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core import clock
from trialsite.core.queue import task
from trialsite.roster.witnesses import mail_head
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import system_actor


@task(name="trialsite.roster.tasks.mail_trail_head", capability=SCHEDULE_PLAN)
def mail_trail_head(self: Task) -> int:  # type: ignore[type-arg]
    """Mail the head of the trail once a day; may run any number of times."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return mail_head(actor=system_actor("system.reminders"), now=clock.now())
