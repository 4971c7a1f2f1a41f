"""Who learns an arm, and what bare SQL as the serving role can do to list and ledger: nothing that is not a door."""

import datetime as dt
import json
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.test import Client

from randomization.models import Allocation, Scheme, SealedEntry, Stratum
from randomization.services import install_list
from randomization.verification import verify
from tests.conftest import built_once, make_person
from tests.path import walk
from tests.randomization.stories import allocated, made_list, made_team, randomize
from trialsite.audit.context import acting
from trialsite.staff.capabilities import ARM_SEE, CAPABILITIES, PARTICIPANT_VIEW, RANDOMIZE, ROLES
from trialsite.staff.models import system_actor
from trialsite.staff.tokens import issue_token

# The table: who sees arms of the own hospital, by bare SQL as well as by the application.
SEES_ARMS = {
    "coordinator": True,
    "investigator": True,
    "pi": True,
    "assessor": False,
    "monitor": True,
    "data_manager": True,
    "statistician": True,
    "trial_manager": True,
    "auditor": True,
    "administrator": False,
    "machine": True,
    "system": True,
}
PEOPLE = [role for role in ROLES if role != "system"]
ARMS = "SELECT count(*) FROM randomization_allocation"
ARM_VISITS = "SELECT count(*) FROM visits_visit WHERE reveals_arm"
TRAILED = "SELECT count(*) FROM audit_event WHERE reveals_arm"


@built_once
def allocations():
    """Four allocations at either hospital, each with all that follows from it, so that both arms occur."""
    install_list(actor=system_actor("system.loader"), document=made_list(), total_cap=120)
    made: list[Any] = []
    for team in (made_team("SHGH"), made_team("SMU3")):
        while {arm for site, arm in made if site == team["site"].code} != {"RFA_PVP", "RFA_PVP_SBRT"}:
            outcome = randomize(team, walk("operated", **team), f"arm-{team['site'].code}-{len(made)}")
            made.append((team["site"].code, outcome.arm))
    return made


def test_the_table_of_roles_is_the_one_of_the_permission_file():
    assert {role: ARM_SEE in names for role, names in CAPABILITIES.items()} == SEES_ARMS


@pytest.mark.parametrize("role", [role for role, names in CAPABILITIES.items() if RANDOMIZE in names])
def test_whoever_randomizes_sees_the_arm_and_the_participant(role):
    """Else the row policy would hide the new row from the very statement that writes it."""
    assert {ARM_SEE, PARTICIPANT_VIEW} <= CAPABILITIES[role]


def test_bare_sql_shows_arms_of_the_own_hospital_to_those_who_may_see_them(allocations, raw, site_a, site_b):
    at = {"SHGH": 0, "SMU3": 0}
    for code, _arm in allocations:
        at[code] += 1
    sbrt_at_a = sum(pair == ("SHGH", "RFA_PVP_SBRT") for pair in allocations)
    wrong = []
    for role in PEOPLE:
        here, elsewhere, everywhere = make_person(role, site_a), make_person(role, site_b), make_person(role)
        sees = SEES_ARMS[role]
        expected = {
            (here, ARMS): at["SHGH"],
            (elsewhere, ARMS): at["SMU3"],
            (everywhere, ARMS): len(allocations),
            (here, ARM_VISITS): sbrt_at_a,
            (here, f"{ARMS} WHERE site_id = {site_b.pk}"): 0,
            (here, "SELECT count(DISTINCT arm) FROM randomization_allocation"): 2,
            (here, "SELECT count(r) FROM randomization_allocation"): at["SHGH"],
        }
        for (actor, sql), rows in expected.items():
            found = raw(sql, actor=actor)[0][0]
            if found != (rows if sees else 0):
                wrong.append((role, sql, found))
        if raw(TRAILED, actor=here)[0][0] and not (sees and "audit.view" in CAPABILITIES[role]):
            wrong.append((role, TRAILED, "seen"))
    assert wrong == []
    assert raw(ARMS) == raw(TRAILED) == [(0,)], "nobody is bound, nothing is seen"


# Tables that name the arms for everyone: the protocol's text, and the scheme's list of both.
NAMES_BOTH_ARMS = {"protocol_protocolversion", "randomization_scheme"}


def test_no_table_at_all_tells_an_arm_to_a_role_without_the_right(allocations, raw, site_a):
    tables = [name for (name,) in raw("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert len(tables) > 20
    telling = set()
    for actor in (
        make_person("assessor", site_a),
        make_person("assessor"),
        make_person("administrator"),
        None,
    ):
        for table in tables:
            sql = f"SELECT count(*) FROM \"{table}\" t WHERE t::text ~ 'RFA_PVP|SBRT'"
            if raw(sql, actor=actor)[0][0]:
                telling.add(table)
    assert telling == NAMES_BOTH_ARMS


@built_once
def begun():
    """Two allocations, and a participant whose turn it is."""
    install_list(actor=system_actor("system.loader"), document=made_list(), total_cap=120)
    team = made_team("SHGH")
    for _ in range(2):
        allocated(team, walk("registered", **team))
    return SimpleNamespace(team=team, turn=walk("operated", **team))


def test_the_trail_keeps_neither_ciphertext_nor_leaf_nor_r(begun, raw, person):
    actor = person("auditor")
    told = "SELECT count(*) FROM audit_event WHERE table_name = 'randomization_{}' AND {}"
    hidden = {"sealedentry": ("ciphertext", "leaf"), "allocation": ("r",)}
    for (table, columns), rows in zip(hidden.items(), (360, 2), strict=True):
        kept_out = " AND ".join(f"changes ->> '{column}' = 'changed'" for column in columns)
        assert raw(told.format(table, kept_out), actor=actor) == [(rows,)]
        assert raw(told.format(table, "true"), actor=actor) == [(rows,)]


def test_stored_entries_all_look_alike(begun, loader):
    with acting(loader):
        entries = [bytes(entry) for entry in SealedEntry.objects.values_list("ciphertext", flat=True)]
    assert {len(entry) for entry in entries} == {61}
    assert len(set(entries)) == len(entries) == 360


REFUSED = {
    "a new arm": "UPDATE randomization_allocation SET arm = arm || 'X'",
    "another participant": "UPDATE randomization_allocation SET participant_id = participant_id + 100",
    "another key": "UPDATE randomization_allocation SET idempotency_key = idempotency_key || 'x'",
    "no longer hidden": "UPDATE randomization_allocation SET reveals_arm = false",
    "deleted": "DELETE FROM randomization_allocation",
    "emptied": "TRUNCATE randomization_allocation",
    "a higher cap": "UPDATE randomization_scheme SET cap = total_cap + 1",
    "another cap": "UPDATE randomization_scheme SET total_cap = total_cap + 1",
    "other arms": "UPDATE randomization_scheme SET arms = '[]'",
    "other commitments": "UPDATE randomization_scheme SET commitments = '{}'",
    "the scheme deleted": "DELETE FROM randomization_scheme",
    "position alone": "UPDATE randomization_scheme SET position = position + 1",
    "position back": "UPDATE randomization_scheme SET position = position - 1",
    "head alone": "UPDATE randomization_scheme SET head = repeat('0', 64)",
    "an entry skipped": "UPDATE randomization_stratum SET next_index = next_index + 1",
    "an entry given back": "UPDATE randomization_stratum SET next_index = next_index - 1 WHERE next_index > 1",
    "another root": "UPDATE randomization_stratum SET root = repeat('0', 64)",
    "a longer list": "UPDATE randomization_stratum SET length = length + 1",
    "the stratum deleted": "DELETE FROM randomization_stratum",
    "paths": "UPDATE randomization_sealedentry SET path = '[]'",
    "an era of one's own": "INSERT INTO randomization_era (created_at, scheme_id, number, cluster, timeline, position,"
    " head) SELECT now(), c.id, 2, n.cluster, n.timeline, c.position, c.head FROM randomization_scheme c,"
    " edc_circumstances() n",
    "another one's word": "INSERT INTO randomization_attestation (created_at, scheme_id, after_era, position, head,"
    " attested_by_id) SELECT now(), c.id, 1, c.position, c.head, u.id FROM randomization_scheme c, staff_user u"
    " WHERE u.id IS DISTINCT FROM edc_actor()",
    "ciphertexts": r"UPDATE randomization_sealedentry SET ciphertext = '\x00'",
    "leaves": r"UPDATE randomization_sealedentry SET leaf = '\x00'",
    "entries in another order": "UPDATE randomization_sealedentry SET index = 121 - index",
    "entries deleted": "DELETE FROM randomization_sealedentry",
    "the trigger dropped": "DROP TRIGGER randomization_allocation_frozen ON randomization_allocation",
    "triggers off": "ALTER TABLE randomization_allocation DISABLE TRIGGER ALL",
    "policies off": "ALTER TABLE randomization_allocation DISABLE ROW LEVEL SECURITY",
    "replica's role": "SET session_replication_role = replica",
    "another door": "CREATE OR REPLACE FUNCTION edc_allocation_fits() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN NEW; END $$",
    "the owner's role": "SET ROLE edc_owner",
}
_INSERT = """
    INSERT INTO randomization_allocation (created_at, participant_id, site_id, stratum_id, kind, index,
      strata, arm, r, path,
      strata_hash, eligibility_hash, idempotency_key, position, allocated_at, allocated_by_id, previous_hash, hash,
      reveals_arm)
    SELECT now(), p.id, p.site_id, s.id, 'main', s.next_index{index},
      '{{}}', '{arm}', {r}, '[]', '', '', 'by hand', c.position{move},
      now(), edc_actor(), c.head, repeat('f', 64), true
    FROM randomization_scheme c, randomization_stratum s, participants_participant p
    WHERE s.key = 'site=SHGH' AND p.status = 'operated' AND p.site_id = s.site_id"""
_MOVE = "UPDATE randomization_stratum SET next_index = next_index + 1 WHERE key = 'site=SHGH'"
_COUNT = "UPDATE randomization_scheme SET position = position + 1, head = repeat('f', 64)"
_USED = "(SELECT r FROM randomization_allocation a WHERE a.stratum_id = s.id AND a.index = s.next_index - 1)"
BY_HAND = {
    "a row alone": [_INSERT.format(index="", arm="RFA_PVP", r="sha256('guess')", move=" + 1")],
    "a row with all counters, r unknown": [
        _MOVE,
        _COUNT,
        _INSERT.format(index=" - 1", arm="RFA_PVP", r="sha256('guess')", move=""),
    ],
    "the other arm likewise": [
        _MOVE,
        _COUNT,
        _INSERT.format(index=" - 1", arm="RFA_PVP_SBRT", r="sha256('guess')", move=""),
    ],
    "the r of the row before": [
        _COUNT,
        _MOVE,
        _INSERT.format(index=" - 1", arm="RFA_PVP", r=_USED.replace("- 1", "- 2"), move=""),
    ],
}
ERRORS = (
    psycopg.errors.RestrictViolation,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.CheckViolation,
    # TRUNCATE of a table that another one points at.
    psycopg.errors.FeatureNotSupported,
)


def attempt(cluster, role, actor, statements):
    """The error that the database answers to someone at its prompt; None where all was committed."""
    name = connections.settings["default"]["NAME"]
    try:
        # psycopg leaves a connection open when its commit is refused, so it is closed here.
        with closing(psycopg.connect(cluster.url(role, name))) as prompt, prompt:
            if actor is not None:
                prompt.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
            for statement in statements:
                prompt.execute(statement)
    except psycopg.Error as error:
        return error
    return None


def snapshot(loader):
    with acting(loader):
        return [
            list(model.objects.order_by("pk").values())
            for model in (Scheme, Stratum, SealedEntry, Allocation)
        ]


def test_bare_sql_changes_neither_list_nor_ledger_and_is_told_so(begun, cluster, loader):
    before = snapshot(loader)
    attempts = {name: [statement] for name, statement in REFUSED.items()} | BY_HAND
    answers = {
        name: attempt(cluster, "edc_app", begun.team["coordinator"], statements)
        for name, statements in attempts.items()
    }
    assert {name: error for name, error in answers.items() if not isinstance(error, ERRORS)} == {}
    assert snapshot(loader) == before
    assert verify(actor=loader) == []
    assert randomize(begun.team, begun.turn, "by-the-door").position == 3


@pytest.mark.parametrize("who", ["statistician", "assessor", "system.loader", "nobody"])
def test_nor_does_it_in_another_name(begun, cluster, statistician, assessor, loader, who):
    actor = {"statistician": statistician, "assessor": assessor, "system.loader": loader}.get(who)
    before = snapshot(loader)
    for statements in (*([statement] for statement in REFUSED.values()), *BY_HAND.values()):
        attempt(cluster, "edc_app", actor, statements)
    assert snapshot(loader) == before


@pytest.mark.parametrize("name", ["a new arm", "deleted", "emptied", "another root", "leaves", "other arms"])
def test_the_owner_is_refused_too_as_long_as_the_triggers_stand(begun, cluster, loader, name):
    assert isinstance(attempt(cluster, "edc_owner", loader, [REFUSED[name]]), ERRORS)


def test_the_api_shows_state_and_hashes_and_nothing_of_arms_or_method(begun, statistician):
    randomize(begun.team, begun.turn, "shown-in-the-api")
    token = issue_token(actor=statistician, user=statistician, name="api", valid_for=dt.timedelta(days=1))
    client = Client(headers={"Authorization": f"Token {token}"})
    scheme = client.get("/api/v1/randomization/").json()
    rows = client.get("/api/v1/randomization/ledger/").json()["results"]
    assert set(scheme) == {
        "trial",
        "environment",
        "state",
        "specification_hash",
        "commitments",
        "public",
        "roots",
        "emergency_roots",
        "genesis",
        "cap",
        "total_cap",
        "position",
        "head",
    }
    assert [row["position"] for row in rows] == [1, 2, 3]
    assert rows[-1]["hash"] == scheme["head"]
    assert rows[0]["previous_hash"] == scheme["genesis"], "from which the published roots are bound"
    text = json.dumps([scheme, rows])
    for word in ("RFA", "SBRT", "block", "permuted", '"r"', "path", "arm", "next_index"):
        assert word not in text


@pytest.mark.parametrize("role", PEOPLE)
def test_the_api_of_the_ledger_answers_its_readers_alone(begun, site_a, role):
    actor = make_person(role, site_a)
    token = issue_token(actor=actor, user=actor, name="api", valid_for=dt.timedelta(days=1))
    client = Client(headers={"Authorization": f"Token {token}"})
    expected = 200 if role in ("statistician", "trial_manager", "auditor") else 403
    for path in ("/api/v1/randomization/", "/api/v1/randomization/ledger/"):
        assert client.get(path).status_code == expected


def test_names_in_logs_tell_no_arm(begun, loader):
    randomize(begun.team, begun.turn, "named-in-a-log")
    with acting(loader):
        for model in (Allocation, Stratum, Scheme, SealedEntry):
            for row in model.objects.all()[:5]:
                assert "RFA" not in f"{row} {row!r}"
