"""Tasks start only when the transaction that asked for them has committed, and take ids, never objects."""

from typing import Any

from django.db import transaction


def enqueue_on_commit(task: Any, *ids: int) -> None:
    """Send `task` with `ids` to the broker after the present transaction commits; never if it rolls back.

    A broker that is down does not undo what was committed: beat picks the work up at its next round.
    """
    transaction.on_commit(lambda: task.delay(*ids), robust=True)
