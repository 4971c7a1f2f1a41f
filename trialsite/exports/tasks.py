"""The writer of snapshots."""

from celery import shared_task

from trialsite.audit.context import Origin, coming_from
from trialsite.exports import writing


@shared_task(name="trialsite.exports.tasks.write_snapshot")
def write_snapshot(number: int) -> None:
    """Write one; running it twice changes nothing."""
    with coming_from(Origin(application="worker")):
        writing.write_snapshot(number=number)
