"""Rows that may not change do not change, not even by the hand of the tables' owner."""

import psycopg
import pytest

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.participants.services import set_contact

FROZEN = """
SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE t.tgname = c.relname || '_frozen' AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""


@pytest.fixture
def owner(committed, cluster):
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as connection:
        yield connection


@pytest.fixture
def randomized(committed, sealed, site_a, coordinator, investigator):
    participant = walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
    with acting(coordinator):
        set_contact(
            actor=coordinator,
            participant=participant,
            name="王静",
            phone="",
            email="",
            language="en",
            contact_consent=True,
        )
    return participant


def test_the_instant_of_creation_of_a_frozen_row_never_changes_and_no_frozen_row_goes(
    randomized, owner, loader
):
    tables = [name for (name,) in owner.execute(FROZEN).fetchall()]
    assert {"participants_consent", "eligibility_signedverdict", "protocol_protocolversion"} <= set(tables)
    tried: list[str] = []
    for table in tables:
        column = {"audit_event": "at", "audit_seal": "sealed_at", "staff_token": "created"}.get(
            table, "created_at"
        )
        count = owner.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if not count:
            # Nothing to try it on: then at least the trigger says that it would speak.
            said = owner.execute(
                "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [f"{table}_frozen"]
            ).fetchone()[0]
            assert "BEFORE DELETE OR UPDATE" in said, table
            assert "FOR EACH ROW EXECUTE FUNCTION edc_frozen(" in said, table
            continue
        tried.append(table)
        for change in (
            f"UPDATE {table} SET {column} = {column} + interval '1 second'",
            f"DELETE FROM {table}",
        ):
            with owner.transaction(force_rollback=True):
                owner.execute("SELECT set_config('edc.actor', %s, true)", [str(loader.pk)])
                with pytest.raises(psycopg.errors.RestrictViolation):
                    owner.execute(change)
    assert {"participants_consent", "eligibility_signedverdict", "randomization_allocation"} <= set(tried)
