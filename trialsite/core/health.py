"""What a load balancer or a person on duty asks: does the process live, and can it serve?"""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.utils.module_loading import import_string
from django.views import View
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError

from trialsite.core import timekeeping

log = logging.getLogger(__name__)
# Findings hold for so many seconds.
_HOLD: Final = 3.0
_lock = threading.Lock()


@dataclass
class _Found:
    """What was found out last in this process, and until when it holds."""

    until: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)


_found = _Found()


class Live(View):
    """200 as long as the process answers."""

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "live", "environment": settings.TRIALSITE_ENV})


class Ready(View):
    """200 when everything that the setting READINESS names answers `ok`, with or without a detail; else 503 and which.

    Anybody may ask, so it tells no detail and costs little: it is found out once in some seconds for all who ask. The
    log tells why, and the page *Server*.
    """

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        told = {name: "ok" if found.startswith("ok") else "not ok" for name, found in _lately().items()}
        ready = set(told.values()) <= {"ok"}
        return JsonResponse(
            {"status": "ready" if ready else "not ready"} | told, status=200 if ready else 503
        )


def findings() -> dict[str, str]:
    """What everything that READINESS names answers now: `ok`, with or without a detail, or what is wrong."""
    return {name: import_string(asked)() for name, asked in settings.READINESS.items()}


def _lately() -> dict[str, str]:
    """The findings of the last seconds; made anew, and logged where something is wrong, when they are older."""
    with _lock:
        if time.monotonic() >= _found.until:
            _found.findings = findings()
            _found.until = time.monotonic() + _HOLD
            if wrong := {name: told for name, told in _found.findings.items() if not told.startswith("ok")}:
                log.warning("not ready: %s", wrong)
        return _found.findings


def database() -> str:
    """`ok`, or that the database does not answer or lacks migrations."""
    try:
        loader = MigrationLoader(connection)
        missing = [node for node in loader.graph.leaf_nodes() if node not in loader.applied_migrations]
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    return "not migrated: run prepare_database" if missing else "ok"


def clock() -> str:
    """`ok` with the figures, or that the database's clock and ours differ."""
    try:
        return timekeeping.finding()
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"


def broker() -> str:
    """`ok`, or that the broker does not answer."""
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=2) as broker_connection:
            broker_connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except (BrokerError, OSError) as error:
        return f"no answer ({type(error).__name__})"
    return "ok"
