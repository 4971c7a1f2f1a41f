"""What a load balancer or a person on duty asks: does the process live, and can it serve?"""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, JsonResponse
from django.views import View
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError


class Live(View):
    """200 as long as the process answers."""

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"status": "live", "environment": settings.TRIALSITE_ENV})


class Ready(View):
    """200 when database and broker answer and the schema is complete; otherwise 503 and what is wrong."""

    capability = "public"
    own_transaction = True

    def get(self, request: HttpRequest) -> JsonResponse:
        findings = {"database": database(), "broker": broker()}
        ready = all(found == "ok" for found in findings.values())
        return JsonResponse(
            {"status": "ready" if ready else "not ready"} | findings, status=200 if ready else 503
        )


def database() -> str:
    """`ok`, or what is wrong with the database as the serving role sees it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper OR rolbypassrls OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid"
                " AND c.relnamespace = 'public'::regnamespace) FROM pg_roles r WHERE rolname = current_user"
            )
            if cursor.fetchone()[0]:
                return "connected as owner or superuser; row policies would not hold"
        loader = MigrationLoader(connection)
        missing = [node for node in loader.graph.leaf_nodes() if node not in loader.applied_migrations]
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    return "not migrated: run prepare_database" if missing else "ok"


def broker() -> str:
    """`ok`, or that the broker does not answer."""
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=2) as broker_connection:
            broker_connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except (BrokerError, OSError) as error:
        return f"no answer ({type(error).__name__})"
    return "ok"
