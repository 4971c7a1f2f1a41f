"""The worker of imports, and the round that takes up what waits."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core.queue import task
from trialsite.imports import working
from trialsite.staff.capabilities import RECORD_EDIT, SCHEDULE_PLAN
from trialsite.staff.models import User, system_actor


@task(name="trialsite.imports.tasks.work_off", capability=RECORD_EDIT)
def work_off(self: Task, number: int, actor: int) -> None:  # type: ignore[type-arg]
    """Work off one import as whoever asked for it, within the token that it came with; may run any number of times."""
    who = User.objects.get(pk=actor)
    request = (self.request.id or "")[:32]
    with coming_from(Origin(application="worker", request=request)):
        session = working.session_of(actor=who, number=number)
    with coming_from(Origin(application="worker", request=request, session=session)):
        working.work_off(actor=who, number=number)


@task(name="trialsite.imports.tasks.resume", capability=SCHEDULE_PLAN)
def resume(self: Task) -> int:  # type: ignore[type-arg]
    """Start what waits; returns how many."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        found = working.waiting(actor=system_actor("system.reminders"))
    for number, actor in found:
        work_off.delay(number, actor)
    return len(found)
