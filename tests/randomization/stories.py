"""What the tests of this room share: a list made to measure, two hospitals with their people, the owner's hand."""

from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

from randomization import generation, vault
from randomization.rules.specification import Specification
from randomization.services import allocate
from tests.conftest import activate, make_person
from trialsite.audit.context import acting
from trialsite.enrollment import services
from trialsite.participants.models import Participant
from trialsite.protocol.models import ProtocolVersion

SECRET = b"a secret of one party, 32 bytes."


def made_specification(**changes: Any) -> Specification:
    """The specification of the trial in force; `changes` are its fields."""
    version = ProtocolVersion.objects.current()
    assert version is not None
    trial = version.definition
    fields: dict[str, Any] = {
        "trial": trial.id,
        "environment": "demo",
        "method": "permuted_blocks",
        "block_sizes": (4, 6),
        "bound": 0,
        "arms": ("RFA_PVP", "RFA_PVP_SBRT"),
        "strata": tuple(f"site={site.code}" for site in trial.sites),
        "length": trial.total_cap,
    }
    return Specification(**(fields | changes))


def made_list(secret: bytes = SECRET, **changes: Any) -> dict[str, Any]:
    """A sealed list of the trial in force; `changes` are fields of its specification."""
    key = vault.key_from(settings.SEQUENCE_KEY)
    return generation.sealed_list(made_specification(**changes), [secret], key)


def made_team(code: str) -> dict[str, Any]:
    """The hospital `code`, open for participants, with a coordinator and an investigator."""
    site = activate(code)
    return {"site": site} | {role: make_person(role, site) for role in ("coordinator", "investigator")}


def randomize(team: dict[str, Any], participant: Participant, key: str) -> Any:
    """The allocation as enrollment asks for it."""
    return services.randomize(actor=team["coordinator"], participant=participant, idempotency_key=key)


def allocated(team: dict[str, Any], participant: Participant) -> Any:
    """The room's own service in a transaction of its own: many participants, without the way that leads there."""
    with acting(team["coordinator"], durable=True):
        return allocate(
            actor=team["coordinator"],
            participant=participant,
            site=team["site"],
            strata={"site": team["site"].code},
            eligibility_hash="0" * 64,
            idempotency_key=f"hand-{participant.pk}",
        )


def as_superuser(cluster: Any, *statements: str) -> list[tuple[Any, ...]]:
    """What someone with all rights may do in one transaction: triggers, constraints at the end and policies are off.

    Returns the rows of the last statement.
    """
    name = connections.settings["default"]["NAME"]
    with psycopg.connect(cluster.url("postgres", name)) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
