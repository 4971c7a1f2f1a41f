"""Two hospitals, one pool of connections: nobody sees the other's rows, and no actor outlives its transaction."""

import threading

import psycopg
import pytest
from django.db import connection, connections, transaction

from trialsite.audit.context import acting
from trialsite.participants.models import Participant

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
