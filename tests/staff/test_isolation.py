"""Two hospitals, one pool of connections: nobody sees the other's rows, and no actor outlives its transaction."""

import contextlib
import datetime as dt
import http.client
import json
import threading

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.test import Client
from psycopg_pool import ConnectionPool

from tests.harness.serving import gunicorn
from tests.path import walk
from tests.processes import eventually
from trialsite.audit.context import acting
from trialsite.console.pages.worklist import Worklist
from trialsite.participants.models import Participant
from trialsite.staff.models import Membership
from trialsite.staff.services import end_membership
from trialsite.staff.tokens import issue_token

ALL = "SELECT code FROM participants_participant ORDER BY code"


@pytest.fixture
def two_hospitals(committed, site_a, site_b, coordinator, coordinator_b):
    from trialsite.enrollment.services import register

    register(actor=coordinator, site=site_a, registration_key="register-a")
    register(actor=coordinator_b, site=site_b, registration_key="register-b")


def test_nothing_is_written_without_an_actor(committed, site_a, raw):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no actor is bound"):
        raw("UPDATE sites_site SET phone = '1'")


def test_raw_sql_without_an_actor_sees_nothing(two_hospitals, raw):
    assert raw(ALL) == []


def test_raw_sql_with_an_actor_sees_its_own_hospital_only(
    two_hospitals, raw, coordinator, coordinator_b, statistician
):
    assert raw(ALL, actor=coordinator) == [("01-001",)]
    assert raw(ALL, actor=coordinator_b) == [("02-001",)]
    assert raw(ALL, actor=statistician) == [("01-001",), ("02-001",)]


def test_an_actor_cannot_write_at_another_hospital(two_hospitals, raw, coordinator, site_b):
    assert (
        raw(
            "UPDATE participants_participant SET status = 'dead' WHERE code = '02-001' RETURNING 1",
            actor=coordinator,
        )
        == []
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        raw(
            "INSERT INTO participants_participant (created_at, code, site_id, protocol_version_id, status,"
            " registration_key, registered_by_id) SELECT now(), '02-002', %s, p.id, 'registered', 'k', %s"
            " FROM protocol_protocolversion p",
            site_b.pk,
            coordinator.pk,
            actor=coordinator,
        )


def test_a_closed_account_sees_nothing_at_once(two_hospitals, raw, coordinator, loader):
    from trialsite.staff.models import User

    with acting(loader):
        User.objects.filter(pk=coordinator.pk).update(is_active=False)
    assert raw(ALL, actor=coordinator) == []


def test_an_administrator_sees_no_participant(two_hospitals, raw, person):
    assert raw(ALL, actor=person("administrator")) == []


def test_the_actor_ends_with_its_transaction_on_the_same_connection(two_hospitals, coordinator):
    with acting(coordinator):
        assert Participant.objects.count() == 1
    with transaction.atomic(), connection.cursor() as cursor:
        assert Participant.objects.count() == 0
        cursor.execute("SELECT edc_actor()")
        assert cursor.fetchone() == (None,)


def test_a_pool_under_load_never_leaks_an_actor(two_hospitals, coordinator, coordinator_b):
    """Eight threads share few connections and change actors; each must see exactly its own hospital."""
    wrong = []

    def work(number):
        actor, expected = ((coordinator, "01-001"), (coordinator_b, "02-001"))[number % 2]
        try:
            for _ in range(40):
                with acting(actor):
                    if list(Participant.objects.values_list("code", flat=True)) != [expected]:
                        wrong.append(number)
                if Participant.objects.exists():
                    wrong.append(-number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture
def randomized(committed, sealed, site_a, site_b, coordinator, investigator, coordinator_b):
    return walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)


# Connections that are used again ---------------------------------------------------------------------------------


def test_a_pool_of_two_connections_never_carries_an_actor_on(
    two_hospitals, cluster, committed, coordinator, coordinator_b
):
    """Real commits, rollbacks and errors on two connections that six threads share."""
    wrong = []
    with ConnectionPool(cluster.url("edc_app", committed), min_size=2, max_size=2, open=True) as pool:

        def ask(connection, actor):
            if actor is not None:
                connection.execute("SELECT set_config('edc.actor', %s, true)", [str(actor.pk)])
            return [code for (code,) in connection.execute(ALL).fetchall()]

        def work(number):
            actor, expected = ((coordinator, ["01-001"]), (coordinator_b, ["02-001"]), (None, []))[number % 3]
            for turn in range(60):
                with contextlib.suppress(psycopg.errors.DivisionByZero), pool.connection() as connection:
                    if ask(connection, actor) != expected:
                        wrong.append((number, turn))
                    if turn % 3 == 1:
                        connection.rollback()
                        if ask(connection, None):
                            wrong.append((-number, turn))
                    elif turn % 3 == 2:
                        connection.execute("SELECT 1 / 0")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_the_threads_of_a_real_server_never_carry_an_actor_on(
    two_hospitals, cluster, committed, coordinator, coordinator_b, person, tmp_path
):
    """gunicorn as it serves, connections kept between requests: twelve clients of three kinds, refusals among them."""
    wrong, day = [], dt.timedelta(days=1)
    administrator = person("administrator")
    kinds = [
        (issue_token(actor=user, user=user, name="load", valid_for=day), expected)
        for user, expected in (
            (coordinator, (200, ["01-001"])),
            (coordinator_b, (200, ["02-001"])),
            (administrator, (403, [])),
        )
    ]
    kinds.append(("", (401, [])))

    def ask(line, secret, path):
        headers = {"Authorization": f"Token {secret}"} if secret else {}
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        body = json.loads(answer.read())
        return answer.status, [row["code"] for row in body.get("results", [])]

    def work(port, number):
        secret, expected = kinds[number % 4]
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for turn in range(15):
            if ask(line, secret, "/api/v1/participants/") != expected:
                wrong.append((number, turn))
            # A refusal undoes its transaction; the next request on this connection begins anew.
            if ask(line, secret, f"/api/v1/participants/{'01' if number % 4 else '02'}-001/")[0] == 200:
                wrong.append((-number, turn))
        line.close()

    with gunicorn(tmp_path, cluster.url("edc_app", committed), tmp_path / "step") as (_process, port):
        threads = [threading.Thread(target=work, args=(port, number)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("face", ["api", "page"])
def test_a_role_that_ends_while_a_request_waits_refuses_it(
    randomized, cluster, committed, coordinator, loader, face
):
    """The request stands before the participant's lock while the role ends; nothing is written, and it is told so."""
    client, answers = Client(), []
    client.force_login(coordinator)

    def ask():
        try:
            if face == "api":
                body = {"reason": "too late"}
                path = f"/api/v1/participants/{randomized.code}/completion/"
                answers.append(client.post(path, body, content_type="application/json").status_code)
            else:
                path = f"/admin/participant/{randomized.code}/complete/"
                answers.append(client.post(path, {"reason": "too late"}).status_code)
        finally:
            connections.close_all()

    with psycopg.connect(cluster.url("edc_owner", committed)) as holder:
        holder.execute("SELECT 1 FROM participants_participant FOR UPDATE")
        waiting = threading.Thread(target=ask)
        waiting.start()
        eventually(
            lambda: holder.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (0,),
            seconds=20,
        )
        end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
        holder.rollback()
        waiting.join()
    assert answers[0] in (403, 404)


# Guessing ---------------------------------------------------------------------------------------------------------


def test_a_page_that_a_row_policy_refuses_is_forbidden_not_broken(two_hospitals, coordinator, monkeypatch):
    def late(self, request):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_event SET reason = 'rewritten'")

    monkeypatch.setattr(Worklist, "get", late)
    client = Client()
    client.force_login(coordinator)
    assert client.get("/admin/worklist/").status_code == 403
