"""The writer of snapshots."""

from celery import Task

from trialsite.audit.context import Origin, coming_from
from trialsite.core.queue import task
from trialsite.exports import writing
from trialsite.staff.capabilities import DATA_EXPORT


@task(name="trialsite.exports.tasks.write_snapshot", capability=DATA_EXPORT)
def write_snapshot(self: Task, number: int) -> None:  # type: ignore[type-arg]
    """Write one; running it twice changes nothing."""
    with coming_from(Origin(application="worker", request=(self.request.id or "")[:32])):
        writing.write_snapshot(number=number)
