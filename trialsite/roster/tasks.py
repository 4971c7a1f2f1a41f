"""The daily witness, and reviews of access that are late."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core import clock
from trialsite.core.queue import task
from trialsite.roster import reminders
from trialsite.roster.witnesses import mail_head
from trialsite.staff.capabilities import SCHEDULE_PLAN
from trialsite.staff.models import system_actor


@task(name="trialsite.roster.tasks.mail_trail_head", capability=SCHEDULE_PLAN)
def mail_trail_head(self: Task) -> int:  # type: ignore[type-arg]
    """Mail the head of the trail once a day; may run any number of times."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return mail_head(actor=system_actor("system.reminders"), now=clock.now())


@task(name="trialsite.roster.tasks.plan_reviews", capability=SCHEDULE_PLAN)
def plan_reviews(self: Task) -> int:  # type: ignore[type-arg]
    """Tell whose review of access is late; may run any number of times."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        return reminders.plan(actor=system_actor("system.reminders"), now=clock.now())
