"""What a load balancer or a person on duty asks: does the process live, and can it serve?"""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.utils.module_loading import import_string
from django.views import View
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError

from trialsite.core import timekeeping


class Live(View):
    """200 as long as the process answers."""

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "live", "environment": settings.TRIALSITE_ENV})


class Ready(View):
    """200 when everything that the setting READINESS names answers `ok`, with or without a detail; else 503 and why."""

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        findings = {name: import_string(asked)() for name, asked in settings.READINESS.items()}
        ready = all(found.startswith("ok") for found in findings.values())
        return JsonResponse(
            {"status": "ready" if ready else "not ready"} | findings, status=200 if ready else 503
        )


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
