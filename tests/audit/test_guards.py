"""The server refuses a database whose guards are not those that the migrations of this release made, by content."""

import psycopg
import pytest
from django.conf import settings

from trialsite.audit import guards, posture
from trialsite.runtime import dumps


@pytest.fixture
def owner(committed, cluster):
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as connection:
        yield connection


def _standing(url):
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        return guards.present(cursor)


def test_what_the_migrations_made_is_what_this_release_expects(committed, cluster, tmp_path):
    """Where this fails after a migration: `make guards`, and read what changed in the file."""
    standing = _standing(cluster.url("edc_owner", committed))
    assert guards.written(standing) == guards.EXPECTED.read_text(encoding="utf-8")
    assert standing == guards.expected() == _standing(cluster.url("edc_app", committed))
    for guard in (
        ("randomization_allocation", "trigger", "randomization_allocation_frozen"),
        ("casebook_record", "policy", "casebook_record_read"),
        ("edc_trail()", "function", ""),
        ("edc_app", "role", ""),
    ):
        assert guard in standing


def test_a_restored_backup_has_the_same_guards(committed, cluster, tmp_path):
    restored, dump = cluster.clone(), tmp_path / "all.dump"
    try:
        dumps.backup(cluster.url("edc_owner", committed), dump)
        dumps.restore(cluster.url("edc_owner", restored), dump)
        assert _standing(cluster.url("edc_owner", restored)) == guards.expected()
    finally:
        cluster.drop(restored)


@pytest.mark.parametrize(
    ("weakened", "sentence"),
    [
        (
            "DROP TRIGGER randomization_allocation_frozen ON randomization_allocation",
            "randomization_allocation: trigger randomization_allocation_frozen: missing",
        ),
        (
            "ALTER TABLE casebook_record DISABLE TRIGGER casebook_record_reasoned",
            "casebook_record: trigger casebook_record_reasoned: changed",
        ),
        (
            "CREATE OR REPLACE TRIGGER audit_event_frozen BEFORE UPDATE ON audit_event"
            " FOR EACH ROW WHEN (false) EXECUTE FUNCTION edc_frozen()",
            "audit_event: trigger audit_event_frozen: changed",
        ),
        (
            "CREATE OR REPLACE FUNCTION edc_frozen() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN coalesce(NEW, OLD); END $$",
            "edc_frozen(): function: changed",
        ),
        ("ALTER FUNCTION edc_trail() SECURITY INVOKER", "edc_trail(): function: changed"),
        (
            "CREATE FUNCTION edc_all() RETURNS SETOF audit_event LANGUAGE sql SECURITY DEFINER AS"
            " 'SELECT * FROM audit_event'",
            "edc_all(): function: added",
        ),
        (
            "DROP POLICY participants_contact_read ON participants_contact",
            "participants_contact: policy participants_contact_read: missing",
        ),
        (
            "ALTER POLICY casebook_record_read ON casebook_record USING (true)",
            "casebook_record: policy casebook_record_read: changed",
        ),
        ("CREATE POLICY more ON casebook_record USING (true)", "casebook_record: policy more: added"),
        (
            "ALTER TABLE casebook_record DISABLE ROW LEVEL SECURITY",
            "casebook_record: owner, row security and rights: changed",
        ),
        (
            "GRANT INSERT ON audit_event TO edc_app",
            "audit_event: owner, row security and rights: changed",
        ),
        (
            "GRANT SELECT ON audit_event TO PUBLIC",
            "audit_event: owner, row security and rights: changed",
        ),
        (
            "REVOKE SELECT ON visits_visit FROM edc_app",
            "visits_visit: owner, row security and rights: changed",
        ),
        ("GRANT UPDATE (reason) ON audit_event TO edc_app", "audit_event: rights on column reason: added"),
        (
            "ALTER TABLE visits_visit OWNER TO edc_app",
            "visits_visit: owner, row security and rights: changed",
        ),
        (
            "CREATE RULE quiet AS ON INSERT TO audit_event DO INSTEAD NOTHING",
            "audit_event: rule quiet: added",
        ),
        (
            "CREATE VIEW behind AS SELECT * FROM participants_contact",
            "behind: owner, row security and rights: added",
        ),
        (
            "ALTER TABLE sites_site DROP CONSTRAINT site_state_known",
            "sites_site: constraint site_state_known: missing",
        ),
        (
            "ALTER TABLE sites_site DROP CONSTRAINT site_state_known,"
            " ADD CONSTRAINT site_state_known CHECK (state IN ('planned', 'active', 'paused', 'closed', 'x'))",
            "sites_site: constraint site_state_known: changed",
        ),
        (
            "ALTER TABLE sites_site DROP CONSTRAINT site_cap_not_below_target,"
            " ADD CONSTRAINT site_cap_not_below_target CHECK (cap IS NULL OR cap >= target OR true)",
            "sites_site: constraint site_cap_not_below_target: changed",
        ),
        (
            "DROP INDEX delegation_open_once; CREATE UNIQUE INDEX delegation_open_once ON roster_delegation (id)",
            "roster_delegation: unique index delegation_open_once: changed",
        ),
        ("ALTER TABLE sites_site ALTER state DROP NOT NULL", "sites_site: columns: changed"),
        ("GRANT CREATE ON SCHEMA public TO edc_app", "public: schema: changed"),
    ],
)
def test_each_weakened_guard_is_named(committed, cluster, weakened, sentence):
    superuser = psycopg.connect(cluster.url("postgres", committed), autocommit=True)
    with superuser as connection, connection.cursor() as cursor:
        assert posture.problems(cursor) == []
        cursor.execute(weakened)
        assert sentence in posture.problems(cursor)
    assert posture.ready() != "ok"


def test_a_serving_role_that_may_become_another_is_named(committed, cluster):
    """Roles belong to the whole cluster: granted and taken back in one transaction."""
    with psycopg.connect(cluster.url("postgres", committed)) as connection, connection.cursor() as cursor:
        cursor.execute("GRANT edc_owner TO edc_app")
        assert posture.problems(cursor) == ["edc_app: role: changed"]
        connection.rollback()


@pytest.mark.parametrize(("role", "serves"), [("edc_app", True), ("edc_owner", False), ("postgres", False)])
def test_neither_owner_nor_superuser_serves(committed, cluster, role, serves):
    with psycopg.connect(cluster.url(role, committed)) as connection, connection.cursor() as cursor:
        assert (posture.role_problems(cursor) == []) is serves
        if role == "postgres":
            cursor.execute("SET ROLE edc_app")
            assert posture.role_problems(cursor) != [], "it could take its own role again"


def test_every_exemption_says_why():
    assert all([*settings.AUDIT_EXEMPT.values(), *settings.SITE_EXEMPT.values()])


@pytest.mark.parametrize("setting", ["edc.actor", "edc.reason", "edc.transfer"])
def test_a_value_that_stands_before_anybody_acts_is_named(committed, cluster, setting):
    """A line in the server's file made everybody somebody: each connection came with an actor, and none was bound."""
    with psycopg.connect(cluster.url("edc_app", committed), options=f"-c {setting}=7") as connection:
        assert posture.problems(connection.cursor()) == [
            f"{setting} has a value before anybody acts: not expected"
        ]


def test_to_look_for_such_a_value_leaves_what_the_transaction_was_told(committed, cluster):
    with psycopg.connect(cluster.url("edc_app", committed)) as connection:
        connection.execute("SELECT set_config('edc.actor', '7', true)")
        assert posture.problems(connection.cursor()) == []
        assert connection.execute("SELECT current_setting('edc.actor'), edc_actor()").fetchone() == ("7", 7)
