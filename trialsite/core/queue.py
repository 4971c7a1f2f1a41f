"""Tasks start only when the transaction that asked for them has committed, and take ids, never objects."""

from collections.abc import Callable
from typing import Any

from celery import shared_task
from django.db import transaction


def task(*, name: str, capability: str) -> Callable[[Callable[..., Any]], Any]:
    """A Celery task that declares the capability of whom it acts as (`host` where for no account); bound to itself.

    A task without one keeps every process from starting.
    """
    declared: Callable[..., Any] = shared_task
    made: Callable[[Callable[..., Any]], Any] = declared(name=name, bind=True, capability=capability)
    return made


def enqueue_on_commit(task: Any, *ids: int) -> None:
    """Send `task` with `ids` to the broker after the present transaction commits; never if it rolls back.

    A broker that is down does not undo what was committed: beat picks the work up at its next round.
    """
    transaction.on_commit(lambda: task.delay(*ids), robust=True)
