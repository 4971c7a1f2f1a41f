"""Whoever touches sealed rows of the trail is found out."""

from types import SimpleNamespace

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from tests.campaign.mutations import missed
from tests.conftest import activate, built_once, make_person
from trialsite.audit import posture, services
from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.audit.verification import verify
from trialsite.core import clock
from trialsite.roster.services import review_trail
from trialsite.sites.models import Site


@pytest.fixture
def owner(committed, cluster):
    """The owner's connection to this test's database: what an attacker inside the hospital's IT would have."""
    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as connection:
        yield connection


@built_once
def sealed_trail():
    """Five seals over a few dozen events."""
    site, manager = activate("SHGH"), make_person("trial_manager")
    for number in range(5):
        for step in range(4):
            with acting(manager, reason=f"exchange {number}"):
                Site.objects.filter(pk=site.pk).update(phone=f"021-{number}{step}")
        services.seal()
    return SimpleNamespace(site=site, manager=manager)


def found(owner, **given):
    return verify(owner, **given).problems


def tamper(owner, *statements):
    """Change rows with the trail's own guards out of the way, as only the owner can."""
    for sql in statements:
        with owner.transaction():
            owner.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_frozen")
            owner.execute("ALTER TABLE audit_seal DISABLE TRIGGER audit_seal_frozen")
            owner.execute(sql)
            owner.execute("ALTER TABLE audit_event ENABLE TRIGGER audit_event_frozen")
            owner.execute("ALTER TABLE audit_seal ENABLE TRIGGER audit_seal_frozen")


def test_an_untouched_trail_fits_its_seals_and_names_its_tail(sealed_trail, owner):
    report = verify(owner)
    assert (report.problems, report.seals, report.tail) == ([], 5, 0)
    assert report.head == owner.execute("SELECT hash FROM audit_seal ORDER BY id DESC").fetchone()[0]
    with acting(sealed_trail.manager):
        Site.objects.filter(pk=sealed_trail.site.pk).update(phone="1")
    report = verify(owner)
    assert (report.problems, report.tail, report.oldest is not None) == ([], 1, True)


def test_sealing_again_seals_nothing_twice(sealed_trail, owner):
    before = Seal.objects.count()
    assert services.seal() == 0
    assert Seal.objects.count() == before


def test_a_transaction_that_is_still_open_is_sealed_after_it_has_ended(
    sealed_trail, owner, cluster, committed
):
    """Its id was given before the others' commit: a range of ids would have passed it by."""
    with psycopg.connect(cluster.url("edc_app", committed)) as slow:
        slow.execute("SELECT set_config('edc.actor', %s, true)", [str(sealed_trail.manager.pk)])
        slow.execute("UPDATE sites_site SET phone = 'slow' WHERE code = 'PKUPH'")
        with acting(sealed_trail.manager):
            Site.objects.filter(pk=sealed_trail.site.pk).update(phone="quick")
        assert services.seal() == 0
        slow.commit()
    assert services.seal() == 1
    report = verify(owner)
    assert (report.problems, report.tail) == ([], 0)


LAST = "(SELECT max(id) FROM audit_event WHERE reason = 'exchange 2')"


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE audit_event SET changes = '{{}}' WHERE id = {LAST}",
        f"UPDATE audit_event SET actor_id = actor_id + 1 WHERE id = {LAST}",
        f"UPDATE audit_event SET at = at + interval '1 microsecond' WHERE id = {LAST}",
        f"UPDATE audit_event SET reveals_arm = NOT reveals_arm WHERE id = {LAST}",
        f"DELETE FROM audit_event WHERE id = {LAST}",
        "DELETE FROM audit_event WHERE reason = 'exchange 2'",
        "INSERT INTO audit_event SELECT (jsonb_populate_record(e, jsonb_build_object('id', 900000))).* FROM"
        f" audit_event e WHERE id = {LAST}",
        f"UPDATE audit_event SET id = id + 500000 WHERE id = {LAST}",
        "DELETE FROM audit_seal WHERE id = 3",
        "DELETE FROM audit_seal WHERE id = 1",
        "UPDATE audit_seal SET events = events + 1 WHERE id = 4",
        "UPDATE audit_seal SET content = reverse(content) WHERE id = 4",
        "UPDATE audit_seal SET sealed_at = sealed_at - interval '1 day' WHERE id = 2",
        "UPDATE audit_seal SET to_xid = to_xid + 1 WHERE id = 5",
    ],
)
def test_every_way_of_tampering_is_found(sealed_trail, owner, sql):
    tamper(owner, sql)
    assert found(owner)


def test_a_cut_end_is_found_by_the_head_that_was_mailed(sealed_trail, owner):
    head = Seal.objects.latest("id").hash
    assert found(owner, known_heads=(head,)) == []
    tamper(
        owner,
        "DELETE FROM audit_event WHERE xid >= (SELECT from_xid FROM audit_seal WHERE id = 5)",
        "DELETE FROM audit_seal WHERE id = 5",
    )
    assert found(owner) == []
    assert head in found(owner, known_heads=(head,))[0]


def test_a_cut_end_is_found_by_the_heads_that_the_database_keeps_elsewhere(sealed_trail, owner):
    """A review keeps the head that it was made at; nobody had to have noted it."""
    today = clock.today(sealed_trail.site.timezone)
    review_trail(
        actor=make_person("monitor"),
        site=sealed_trail.site,
        since=today,
        until=today,
        scope="all",
        findings="none",
    )
    head = Seal.objects.latest("id").hash
    tamper(
        owner,
        "DELETE FROM audit_event WHERE xid >= (SELECT from_xid FROM audit_seal WHERE id = 5)",
        "DELETE FROM audit_seal WHERE id = 5",
    )
    assert [head in problem and "reviews" in problem for problem in found(owner)] == [True]


def test_a_cut_end_is_found_by_the_witness_on_another_volume(
    sealed_trail, owner, cluster, committed, monkeypatch, settings, tmp_path
):
    settings.WITNESS_FILE = str(tmp_path / "witness" / "ledger.jsonl")
    with acting(sealed_trail.manager):
        Site.objects.filter(pk=sealed_trail.site.pk).update(phone="021-99")
    assert services.seal() == 1
    with (tmp_path / "witness" / "trail.jsonl").open("a") as lines:
        lines.write('{"seal": 7, "he')  # cut short by a crash
    monkeypatch.setenv("DATABASE_OWNER_URL", cluster.url("edc_owner", committed))
    call_command("verify_audit")
    tamper(
        owner,
        "DELETE FROM audit_event WHERE xid >= (SELECT from_xid FROM audit_seal WHERE id = 6)",
        "DELETE FROM audit_seal WHERE id = 6",
    )
    with pytest.raises(CommandError, match="the witness"):
        call_command("verify_audit")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "ROLE edc_app IN DATABASE {name} SET session_replication_role = 'replica'",
            "session_replication_role",
        ),
        ("DATABASE {name} SET session_replication_role = 'replica'", "triggers rest"),
        ("ROLE edc_app IN DATABASE {name} SET edc.actor = '1'", "edc.actor is set for edc_app"),
        ("DATABASE {name} SET row_security = 'off'", "row_security is set for everybody"),
    ],
)
def test_a_trail_that_is_switched_off_by_a_setting_is_found(sealed_trail, cluster, committed, setting, told):
    """Every trigger stood as it should, and none of them ran."""
    cluster.admin(f"ALTER ROLE edc_app IN DATABASE {committed} SET lock_timeout = '9s'")
    assert posture.ready() == "ok"
    cluster.admin("ALTER " + setting.format(name=committed))
    connections["default"].close()
    with connections["default"].cursor() as cursor:
        assert any(told in problem for problem in posture.problems(cursor))
    assert posture.ready() != "ok"


@pytest.mark.parametrize("table", ["audit_event", "participants_consent", "randomization_allocation"])
def test_a_disabled_trigger_is_found_and_the_server_is_not_ready(sealed_trail, owner, table):
    assert posture.ready() == "ok"
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    assert any(problem.startswith(table) for problem in found(owner))
    assert table in posture.ready()


def test_a_dropped_policy_or_a_right_too_many_is_found(sealed_trail, owner):
    owner.execute("GRANT TRUNCATE ON visits_visit TO edc_app")
    assert "visits_visit" in posture.ready()
    owner.execute("ALTER TABLE casebook_record DISABLE ROW LEVEL SECURITY")
    assert "casebook_record: no policy" in posture.ready()


def test_random_changes_of_sealed_rows_and_seals_are_all_found(sealed_trail, owner):
    """Edits of each column, deletions, insertions, exchanges, cuts, edits of seals; 10 000 of them in the campaign."""
    assert missed(owner, rounds=120, seed=20260101) == []


def test_the_command_says_what_fits_and_fails_where_something_does_not(
    sealed_trail, owner, cluster, committed, monkeypatch, capsys
):
    monkeypatch.setenv("DATABASE_OWNER_URL", cluster.url("edc_owner", committed))
    call_command("verify_audit")
    assert "Everything fits" in capsys.readouterr().out
    tamper(owner, "DELETE FROM audit_event WHERE reason = 'exchange 1'")
    with pytest.raises(CommandError, match="seal"):
        call_command("verify_audit")


def test_a_database_restored_into_another_cluster_begins_a_new_epoch(sealed_trail, owner, cluster, committed):
    owner.execute("UPDATE audit_epoch SET cluster = 'the old one'")
    assert "prepare_database" in posture.ready()
    connections.settings["owner"] = connections.settings["default"] | {"USER": "edc_owner"}
    try:
        for _ in range(2):
            services.begin_epoch(using="owner")
    finally:
        connections["owner"].close()
        del connections.settings["owner"]
    assert posture.ready() == "ok"
    with acting(sealed_trail.manager):
        Site.objects.filter(pk=sealed_trail.site.pk).update(phone="after the move")
    services.seal()
    assert Seal.objects.latest("id").epoch == 2
    assert found(owner) == []


def test_the_serving_role_cannot_make_seals_by_hand(committed, raw, trial_manager):
    for sql in (
        "INSERT INTO audit_seal SELECT * FROM audit_seal",
        "DELETE FROM audit_seal",
        "UPDATE audit_epoch SET cluster = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw(sql, actor=trial_manager)
