"""The sealer."""

from celery import shared_task

from trialsite.audit import services


@shared_task(name="trialsite.audit.tasks.seal", capability="host")
def seal() -> int:
    """Seal what has ended; may run any number of times at once."""
    return services.seal()
