"""The server refuses a database that lacks any trigger or policy which the migrations made."""

import psycopg
import pytest

from trialsite.audit import guards, posture


@pytest.fixture
def owner(committed, cluster):
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as connection:
        yield connection


def test_what_the_migrations_made_is_what_stands(owner):
    with owner.cursor() as cursor:
        standing = guards.present(cursor)
    assert guards.expected() == standing
    assert ("trigger", "randomization_allocation", "randomization_allocation_frozen") in standing
    assert len(standing) > 250


@pytest.mark.parametrize(
    "weakened",
    [
        "DROP TRIGGER randomization_allocation_frozen ON randomization_allocation",
        "DROP TRIGGER casebook_record_unlocked_change ON casebook_record",
        "ALTER TABLE casebook_record DISABLE TRIGGER casebook_record_reasoned",
        "ALTER TABLE staff_signature DISABLE TRIGGER USER",
        "DROP POLICY participants_contact_read ON participants_contact",
    ],
)
def test_each_missing_or_disabled_guard_is_named(owner, weakened):
    with owner.cursor() as cursor:
        assert posture.problems(cursor) == []
        cursor.execute(weakened)
        found = posture.problems(cursor)
    table = weakened.split(" ON ")[-1].split(" ")[0] if " ON " in weakened else weakened.split(" ")[2]
    assert found, weakened
    assert all(sentence.startswith(f"{table}: ") for sentence in found), found
