"""The command lines of the serving processes: the one source for the supervisor, compose and the tests.

Each begins with the word "python"; `here` puts this environment's interpreter in its place.
"""

import sys
from collections.abc import Sequence
from pathlib import Path


def web(*, bind: str, port: int) -> list[str]:
    """gunicorn, 8 processes that answer one request at a time: none waits in one of them while another is idle.

    Of an interpreter only one thread runs, so that requests which share one hold each other up; and a process that may
    take more connections than it has threads takes some that have to wait for it. The worker class is the one that
    stays alive during a long answer. The application is loaded once, before the processes part.
    """
    return [
        *("python", "-m", "gunicorn", "trialsite.wsgi:application", "--bind", f"{bind}:{port}"),
        *("--worker-class", "gthread", "--workers", "8", "--threads", "1", "--preload"),
        *("--worker-connections", "1", "--keep-alive", "0"),
        *("--timeout", "60", "--graceful-timeout", "10", "--no-control-socket"),
    ]


def worker() -> list[str]:
    """Celery worker, 2 processes."""
    return [
        *("python", "-m", "celery", "-A", "trialsite.celery_app", "worker", "-Q", "default"),
        *("--concurrency", "2", "--pool", "prefork", "--without-gossip", "--without-mingle"),
        *("--loglevel", "INFO"),
    ]


def beat(*, record: Path) -> list[str]:
    """Celery beat; `record` is the file in which it keeps when each job last ran."""
    return [
        *("python", "-m", "celery", "-A", "trialsite.celery_app", "beat", "-s", str(record), "--pidfile="),
        *("--loglevel", "INFO"),
    ]


def manage(*words: str) -> list[str]:
    """A management command."""
    return ["python", "manage.py", *words]


def here(argv: Sequence[str]) -> list[str]:
    """`argv` with the running interpreter in place of "python"."""
    return [sys.executable if word == "python" and place == 0 else word for place, word in enumerate(argv)]
