"""The lock over everything: what hinders it is shown and refuses it, by page and REST; it is lifted with a reason."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import querying, reviewing
from trialsite.casebook.errors import Locked
from trialsite.casebook.models import Lock, Query, Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import NotFound

TODAY = clock.today("Asia/Shanghai").isoformat()
PAIN = {"paindat": TODAY, "worst": "6", "average": "4"}
PAGE = "/admin/database-lock/"


@pytest.fixture
def operated(data, site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def manager(person):
    return person("data_manager")


def client_of(user, language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def clean(manager):
    """Every query closed, as the data manager leaves them."""
    with acting(manager):
        waiting = list(Query.objects.open())
    for query in waiting:
        querying.close_query(actor=manager, query=query, text="seen")


def test_a_draft_and_an_open_query_hinder_the_lock_until_they_are_gone(operated, coordinator, manager):
    clean(manager)
    here = {"actor": coordinator, "participant": operated, "event": "W1", "form": "vitals"}
    saved = save_record(**here, values={"vsdat": TODAY, "sysbp": "190"}, complete=False)
    client = client_of(manager)
    page = client.get(PAGE).content.decode()
    assert page.count("⚠ 1") == 4  # one draft and one query, at the hospital and in all
    assert "锁定前仍待处理" in client_of(manager, "zh-hans").get(PAGE).content.decode()
    final = {"kind": "lock", "reason": "final analysis"}
    refused = client.post(PAGE, final)
    assert refused.status_code == 422
    assert "1 drafts and 1 open queries" in refused.content.decode()
    over_rest = client.post("/api/v1/locks/", {"level": "database", **final}, content_type="application/json")
    assert (over_rest.status_code, over_rest.json()["code"]) == (409, "database_not_clean")
    with acting(manager):
        assert not Lock.objects.standing().exists()
    save_record(
        **here,
        values={"vsdat": TODAY, "sysbp": "120"}
        | {name: {"missing": "not_done"} for name in ("diabp", "pulse", "temp", "weight")},
        expected_version=saved.record.version,
    )
    assert client.post(PAGE, final).status_code == 302
    with pytest.raises(Locked):
        save_record(**{**here, "form": "pain"}, values=PAIN)


def test_a_freeze_holds_meanwhile_and_is_lifted_with_a_reason(operated, coordinator, manager):
    client = client_of(manager)
    assert client.post(PAGE, {"kind": "freeze", "reason": ""}).status_code == 422
    assert client.post(PAGE, {"kind": "freeze", "reason": "cleaning"}).status_code == 302
    assert "The database is frozen." in client.get(PAGE).content.decode()
    here = {"actor": coordinator, "participant": operated, "event": "W1", "form": "pain", "values": PAIN}
    with pytest.raises(Locked):
        save_record(**here)
    assert client.post(f"{PAGE}lift/", {"reason": " "}).status_code == 422
    assert "cleaning" in client.get(f"{PAGE}lift/").content.decode()
    assert client.post(f"{PAGE}lift/", {"reason": "cleaned"}).status_code == 302
    assert client.get(f"{PAGE}lift/").headers["Location"] == PAGE
    with acting(manager):
        lifted = Lock.objects.get()
    assert (lifted.lifted_by_id, lifted.lift_reason) == (manager.pk, "cleaned")
    save_record(**here)
    with acting(manager):
        assert Record.objects.filter(event="W1", form="pain").exists()


def test_who_locks_at_one_hospital_neither_places_nor_lifts_what_reaches_all(
    operated, person, manager, site_a
):
    of_one = person("data_manager", site_a)
    assert client_of(of_one).get(PAGE).status_code == 403
    assert b"/database-lock/" not in client_of(of_one).get("/admin/worklist/").content
    assert b"/database-lock/" in client_of(manager).get("/admin/worklist/").content
    with pytest.raises(NotFound):
        reviewing.place_lock(actor=of_one, kind="freeze", level="database", reason="x")
    lock = reviewing.place_lock(actor=manager, kind="freeze", level="database", reason="cleaning")
    with pytest.raises(NotFound):
        reviewing.lift_lock(actor=of_one, lock=lock, reason="x")
    with acting(manager):
        assert Lock.objects.standing().filter(pk=lock.pk).exists()


def test_the_page_costs_the_same_for_one_participant_and_for_three(
    operated, site_a, coordinator, investigator, manager
):
    client, counts = client_of(manager), []
    for more in (0, 2):
        for _ in range(more):
            walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
        client.get(PAGE)
        with CaptureQueriesContext(connection) as asked:
            client.get(PAGE)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_visit_without_any_record_is_locked_from_the_casebook_and_opened_again(
    operated, coordinator, manager
):
    client = client_of(manager)
    home = f"/admin/participant/{operated.code}/casebook/"
    assert f'href="{home}lock/"' in client.get(home).content.decode()
    assert f'href="{home}lock/"' not in client_of(coordinator).get(home).content.decode()
    page = client.get(f"{home}lock/").content.decode()
    assert 'value="M12"' in page
    assert client.post(f"{home}lock/", {"reach": "M12", "kind": "freeze", "reason": ""}).status_code == 422
    assert client.post(f"{home}lock/", {"reach": "XX", "kind": "freeze", "reason": "x"}).status_code == 422
    assert client.post(f"{home}lock/", {"reach": "M12", "kind": "lift", "reason": "x"}).status_code == 422
    for kind in ("freeze", "lock"):
        sent = {"reach": "M12", "kind": kind, "reason": f"{kind} it"}
        assert client.post(f"{home}lock/", sent).headers["Location"] == home
    assert "lock it" in client.get(home).content.decode()
    with pytest.raises(Locked):
        save_record(actor=coordinator, participant=operated, event="M12", form="pain", values=PAIN)
    assert client.post(f"{home}lock/", {"reach": "M12", "kind": "lift", "reason": "late"}).status_code == 302
    whole = {"reach": "", "kind": "lock", "reason": "final"}
    assert client.post(f"{home}lock/", whole).status_code == 302
    with acting(manager):
        assert list(Lock.objects.standing().values_list("level", flat=True)) == ["participant"]
