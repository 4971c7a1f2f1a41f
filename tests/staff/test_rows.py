"""Every table that belongs to hospitals, in bare SQL as the serving role. Read from the models: a new one is in."""

import contextlib
import json
from typing import Any, Final

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections

from tests.conftest import built_once
from tests.world import build
from trialsite.audit.context import acting


def tables_with(column):
    """Tables of the models with such a column, but those that are exempt by name.

    Memberships are read by all, before anyone is known; who writes them: tests/staff/test_access.py.
    """
    names = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if column in {field.column for field in model._meta.concrete_fields}
    }
    return sorted(names - set(settings.SITE_EXEMPT) - {"staff_membership"})


SITED, HIDING = tables_with("site_id"), tables_with("reveals_arm")


@built_once
def world():
    return build()


@pytest.fixture
def owner(world, cluster):
    """The cluster's superuser, whom no policy binds and no trigger stops."""
    url = cluster.url("postgres", connections.settings["default"]["NAME"])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def counts(tables, condition):
    """One statement that counts the rows of each table."""
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {table} WHERE {condition}" for table in tables
    )


def test_every_table_with_a_hospital_stands_in_the_models_and_has_a_row_in_the_world(world, owner):
    stored = owner.execute(
        "SELECT table_name FROM information_schema.columns JOIN pg_class ON relname = table_name AND relkind = 'r'"
        " WHERE table_schema = 'public' AND column_name = 'site_id'"
    ).fetchall()
    assert {name for (name,) in stored} - set(settings.SITE_EXEMPT) - {"staff_membership"} == set(SITED)
    kept = dict(owner.execute(counts(SITED, f"site_id = {world.a.pk}")).fetchall())
    assert [table for table, count in kept.items() if not count] == [], "tests/world.py makes no such row"


def test_without_an_actor_no_table_shows_a_row(world, raw):
    assert [table for table, count in raw(counts(SITED, "true")) if count] == []


def test_nobody_of_another_hospital_sees_a_row_and_those_of_this_one_do(world, raw):
    here = f"site_id = {world.a.pk}"
    for role, person in world.there.items():
        assert [(role, table) for table, count in raw(counts(SITED, here), actor=person) if count] == []
    seen = {
        table
        for role in ("coordinator", "pi", "statistician", "trial_manager")
        for table, count in raw(counts(SITED, here), actor=world.here[role])
        if count
    }
    assert seen == set(SITED)


def as_served(owner, actor, statement, *values):
    """The rows of a statement under the serving role's policies and rights alone, without triggers; undone."""
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL ROLE edc_app")
        owner.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
        return owner.execute(statement, values).fetchall()


def refused(owner, actor, statement, *values):
    """Whether a policy or a missing right refuses it, or it reaches no row."""
    try:
        return as_served(owner, actor, statement, *values) == []
    except psycopg.errors.InsufficientPrivilege:
        return True


def test_no_row_is_inserted_changed_removed_or_moved_at_another_hospital(world, owner):
    wrong, a, b = [], world.a.pk, world.b.pk
    for table in SITED:
        (row,) = owner.execute(f"SELECT to_jsonb(x) FROM {table} x WHERE site_id = {a} LIMIT 1").fetchone()
        names = ", ".join(f'"{name}"' for name in row)
        put = f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, %s)"
        put += " RETURNING 1"
        new = row | {"id": row["id"] + 10**12}
        tries: list[tuple[Any, ...]] = [
            (world.there, put, json.dumps(new)),
            (world.there, f"UPDATE {table} SET site_id = {b} WHERE site_id = {a} RETURNING 1"),
            (world.there, f"DELETE FROM {table} WHERE site_id = {a} RETURNING 1"),
            (world.here, put, json.dumps(new | {"site_id": b})),
            (world.here, f"UPDATE {table} SET site_id = {b} WHERE site_id = {a} RETURNING 1"),
        ]
        wrong += [
            (table, role, *attempt)
            for people, *attempt in tries
            for role in ("coordinator", "pi", "assessor", "machine")
            if not refused(owner, people[role], *attempt)
        ]
    assert wrong == []
    # The same insertion at one's own hospital passes the policy, so it was the hospital that was refused.
    assert as_served(
        owner,
        world.here["coordinator"],
        "UPDATE participants_participant SET status = status WHERE site_id = %s RETURNING 1",
        a,
    )


def test_an_assessor_reads_no_arm_and_no_row_that_reveals_one_and_can_make_none_visible(world, raw, owner):
    for table in HIDING:
        owner.execute(f"UPDATE {table} SET reveals_arm = true")
    here, shown, hidden = f"site_id = {world.a.pk}", world.here["pi"], world.here["assessor"]
    kept = owner.execute(counts(HIDING, here)).fetchall()
    assert all(count for _, count in kept)
    assert raw(counts(HIDING, here), actor=shown) == kept
    assert [table for table, count in raw(counts(HIDING, "true"), actor=hidden) if count] == []
    unhiding = "UPDATE {} SET reveals_arm = false RETURNING 1"
    assert [table for table in HIDING if not refused(owner, hidden, unhiding.format(table))] == []
    armed = tables_with("arm")
    assert all(count for _, count in raw(counts(armed, here), actor=shown))
    assert [table for table, count in raw(counts(armed, "true"), actor=hidden) if count] == []
    assert raw("SELECT count(*) FROM participants_participant", actor=hidden) > [(0,)]


def test_no_role_reads_more_rows_in_bare_sql_than_its_pages_show(world, raw):
    """At the own hospital too: what a role lacks the right for, the policy of the table hides."""
    scoped: dict[str, Any] = {
        model._meta.db_table: model._default_manager
        for model in apps.get_models()
        if hasattr(model._default_manager, "visible_to") and model._meta.db_table not in settings.SITE_EXEMPT
    }
    # Allocation counts within it, whoever randomizes: positions and roots, without any arm.
    del scoped["randomization_stratum"]
    assert {"participants_contact", "outbox_message", "roster_training", "audit_event"} < set(scoped)
    more = []
    for role, person in world.here.items():
        stored = dict(raw(counts(scoped, "true"), actor=person))
        with acting(person):
            shown = {table: rows.visible_to(person).count() for table, rows in scoped.items()}
        more += [(role, table) for table in scoped if stored[table] != shown[table]]
    assert more == []


TRIAL_WIDE: Final = (
    "UPDATE randomization_scheme SET state = 'paused' RETURNING 1",
    "UPDATE randomization_scheme SET cap = 1 RETURNING 1",
    "INSERT INTO visits_holiday (day, works, name, created_at) VALUES ('2031-01-01', false, 'x', now())"
    " RETURNING 1",
    "UPDATE visits_holiday SET works = NOT works RETURNING 1",
    "DELETE FROM visits_holiday RETURNING 1",
    "INSERT INTO visits_holidayyear (year, source, created_at) VALUES (2031, 'x', now()) RETURNING 1",
    "INSERT INTO protocol_protocolversion (trial_id, version, sha256, document, loaded_by_id, created_at)"
    " SELECT trial_id, '9', 'x', document, loaded_by_id, now() FROM protocol_protocolversion LIMIT 1 RETURNING 1",
    "INSERT INTO sites_site (code, number, name_en, name_zh, timezone, phone, target, state, created_at)"
    " VALUES ('XX', '99', 'x', 'x', 'Asia/Shanghai', '', 1, 'active', now()) RETURNING 1",
    "INSERT INTO randomization_sealedentry (stratum_id, kind, index, ciphertext, leaf, path, created_at)"
    " SELECT stratum_id, kind, 900 + index, ciphertext, leaf, path, now() FROM randomization_sealedentry LIMIT 1"
    " RETURNING 1",
)


@pytest.mark.parametrize("sql", TRIAL_WIDE)
def test_what_belongs_to_the_trial_is_written_by_who_may_at_all_hospitals(
    committed, sealed, person, site_a, raw, sql
):
    """Python alone asked: raw SQL of anybody with an account paused the trial or moved its holidays."""
    for role in ("coordinator", "statistician", "trial_manager"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw(sql, actor=person(role, site_a))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        raw(sql)
    everywhere = person("statistician" if "randomization" in sql else "trial_manager")
    assert raw(sql, actor=everywhere)


# What somebody of one hospital changes there alone, and the role that may.
AT_HOSPITAL: Final = {
    "UPDATE sites_site SET state = 'paused' WHERE id = %s RETURNING 1": "trial_manager",
    'UPDATE sites_site SET "limit" = 1 WHERE id = %s RETURNING 1': "trial_manager",
    "UPDATE randomization_stratum SET state = 'paused' WHERE site_id = %s RETURNING 1": "statistician",
    "UPDATE randomization_stratum SET cap = 1 WHERE site_id = %s RETURNING 1": "statistician",
}


@pytest.mark.parametrize("sql", AT_HOSPITAL)
def test_a_hospital_and_its_stratum_are_changed_by_who_may_there(
    committed, sealed, person, site_a, site_b, raw, sql
):
    """Bare SQL of a coordinator in Guangzhou closed the hospital in Shanghai; an assessor capped the own stratum."""
    everybody = {"assessor", "coordinator", "auditor", "statistician", "trial_manager"}
    may = AT_HOSPITAL[sql]
    for actor in (*(person(role, site_a) for role in everybody - {may}), person("auditor")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw(sql, site_a.pk, actor=actor)
    stranger = person(may, site_b)
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        assert raw(sql, site_a.pk, actor=stranger) == []
    assert raw(sql, site_a.pk, actor=person(may, site_a))


def test_no_stranger_writes_an_account_and_nobody_the_passphrase_of_another(
    committed, person, site_a, site_b, raw
):
    """Bare SQL of an assessor set the passphrase of the trial manager."""
    colleague = person("coordinator", site_a)
    passphrase = "UPDATE staff_user SET password = 'x' WHERE id = %s RETURNING 1"
    telephone = "UPDATE staff_user SET phone = '1' WHERE id = %s RETURNING 1"
    account = (
        "INSERT INTO staff_user (username, full_name, kind, email, phone, language, password, is_active, created_at)"
        " VALUES (%s, 'x', 'person', '', '', 'en', 'x', true, now()) RETURNING 1"
    )
    for actor in (person("assessor", site_a), person("auditor"), person("pi", site_b)):
        for sql, of in ((passphrase, colleague.pk), (telephone, colleague.pk), (account, "made.up")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw(sql, of, actor=actor)
    keeper = person("administrator", site_a)
    assert raw(telephone, colleague.pk, actor=keeper) == raw(account, "invited", actor=keeper) == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        raw(passphrase, colleague.pk, actor=keeper)
    assert raw(passphrase, colleague.pk, actor=colleague) == [(1,)]


def test_no_stranger_writes_a_second_factor_or_a_token_of_another(committed, person, site_a, site_b, raw):
    """Bare SQL of an assessor took the second factor from the trial manager."""
    colleague = person("coordinator", site_a)
    made = (
        "INSERT INTO mfa_authenticator (user_id, type, data, created_at)"
        " VALUES (%s, 'totp', '{}', now()) RETURNING 1"
    )
    gone = "DELETE FROM mfa_authenticator WHERE user_id = %s RETURNING 1"
    token = (
        "INSERT INTO staff_token (digest, token_key, user_id, responsible_id, name, scopes, created)"
        " VALUES ('x', 'x', %s, %s, 'x', '{participant.view}', now()) RETURNING 1"
    )
    ended = "UPDATE staff_token SET revoked_at = now() WHERE user_id = %s RETURNING 1"
    assert raw(made, colleague.pk, actor=colleague) == [(1,)]
    assert raw(token, colleague.pk, colleague.pk, actor=colleague) == [(1,)]
    for actor in (person("assessor", site_a), person("auditor"), person("pi", site_b)):
        for sql, times in ((made, 1), (gone, 1), (token, 2), (ended, 1)):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw(sql, *[colleague.pk] * times, actor=actor)
    keeper = person("administrator", site_a)
    assert raw(ended, colleague.pk, actor=keeper) == raw(gone, colleague.pk, actor=keeper) == [(1,)]


def test_a_note_is_written_at_the_own_hospital_about_its_own_participants(
    committed, raw, person, site_a, site_b, coordinator, investigator, participant_in
):
    """Bare SQL of a coordinator in Shanghai wrote a line into the trail of Guangzhou."""
    mine = participant_in("registered", site=site_a, coordinator=coordinator, investigator=investigator)
    note = "SELECT edc_note('view', 'x', '1', %s, %s, '{}')"
    assert raw(note, site_a.pk, mine.pk, actor=coordinator)
    assert raw(note, None, None, actor=coordinator)
    assert raw(note, site_b.pk, None, actor=person("auditor"))
    for actor, *wrong in (
        (coordinator, site_b.pk, None),
        (coordinator, None, mine.pk),
        (person("coordinator", site_b), site_b.pk, mine.pk),
        (person("auditor"), 10**6, None),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw(note, *wrong, actor=actor)
