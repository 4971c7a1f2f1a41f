"""The writer of snapshots, and the round that takes up what waits."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core.queue import task
from trialsite.exports import writing
from trialsite.staff.capabilities import DATA_EXPORT, SCHEDULE_PLAN
from trialsite.staff.models import system_actor


@task(name="trialsite.exports.tasks.write_snapshot", capability=DATA_EXPORT)
def write_snapshot(self: Task, number: int) -> None:  # type: ignore[type-arg]
    """Write one; running it twice changes nothing."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        writing.write_snapshot(number=number)


@task(name="trialsite.exports.tasks.resume", capability=SCHEDULE_PLAN)
def resume(self: Task) -> int:  # type: ignore[type-arg]
    """Start what waits for too long; returns how many."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        found = writing.take_up(actor=system_actor("system.reminders"))
    for number in found:
        write_snapshot.delay(number)
    return len(found)
