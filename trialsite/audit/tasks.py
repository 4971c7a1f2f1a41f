"""The sealer."""

from celery import Task

from trialsite.audit import services
from trialsite.core.queue import task


@task(name="trialsite.audit.tasks.seal", capability="host")
def seal(self: Task) -> int:  # type: ignore[type-arg]
    """Seal what has ended; may run any number of times at once."""
    return services.seal()
