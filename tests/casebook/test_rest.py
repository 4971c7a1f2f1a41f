"""What a program learns of records and queries, and takes back: as much as the pages tell and do."""

import json

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import PASSWORD
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import querying, reviewing
from trialsite.casebook.models import Query, Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook


@pytest.fixture
def operated(data, coordinator, investigator, site_a):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


def client_of(user):
    made = Client()
    made.force_login(user)
    return made


def post(user, path, **body):
    return client_of(user).post(f"/api/v1/{path}", json.dumps(body), "application/json")


def place(participant, event="SCR", form="labs"):
    return f"participants/{participant.code}/records/{event}/{form}/1/"


def told(user, participant, **where):
    return client_of(user).get(f"/api/v1/{place(participant, **where)}").json()


def test_a_record_tells_its_hospital_its_form_version_and_how_far_it_has_come(
    operated, coordinator, investigator, person
):
    monitor, manager = person("monitor"), person("data_manager")
    first = told(coordinator, operated)
    assert (first["hospital"], first["protocol_version"]) == ("SHGH", "1.0")
    reached = [(first["state"], first["reached"])]
    with acting(monitor):
        record = Record.objects.get(participant=operated, form="labs")
    reviewing.verify(actor=monitor, record=record)
    reached.append(("complete", told(coordinator, operated)["reached"]))
    with acting(coordinator):
        waiting = list(Query.objects.filter(participant=operated))
    for query in waiting:
        querying.close_query(actor=manager, query=query, text="Seen.")
    reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    reached.append(("complete", told(coordinator, operated)["reached"]))
    for kind in ("freeze", "lock"):
        placed = post(
            manager,
            "locks/",
            kind=kind,
            level="visit",
            participant=operated.code,
            event="SCR",
            reason="clean",
        )
        assert placed.status_code == 201
        reached.append(("complete", told(coordinator, operated)["reached"]))
        lifted = post(manager, f"locks/{placed.json()['id']}/lift/", reason="done")
        assert lifted.status_code == 200
    assert [one for _state, one in reached] == ["complete", "verified", "signed", "frozen", "locked"]
    assert {state for state, _one in reached} == {"complete"}


def test_the_list_of_records_tells_it_too_in_a_number_of_statements_that_does_not_grow(operated, coordinator):
    client = client_of(coordinator)
    address = f"/api/v1/participants/{operated.code}/records/"
    client.get(address)  # signs in
    with CaptureQueriesContext(connection) as before:
        listed = client.get(address).json()["results"]
    assert {one["reached"] for one in listed} == {"complete"}
    values = casebook.pain(clock.today("Asia/Shanghai"), 3)
    for event in ("W1", "W2", "W4"):
        save_record(actor=coordinator, participant=operated, event=event, form="pain", values=values)
    with CaptureQueriesContext(connection) as after:
        assert len(client.get(address).json()["results"]) == len(listed) + 3
    assert len(after) == len(before)


def test_a_saved_record_answers_with_all_of_it_and_its_queries(operated, coordinator):
    values = casebook.pain(clock.today("Asia/Shanghai"), 3) | {"worst": 3, "average": 7}
    saved = (
        client_of(coordinator)
        .put(f"/api/v1/{place(operated, 'W1', 'pain')}", json.dumps({"values": values}), "application/json")
        .json()
    )
    assert (saved["reached"], saved["protocol_version"]) == ("complete", "1.0")
    assert [(one["hospital"], one["repeat"], one["item"]) for one in saved["queries"]] == [
        ("SHGH", 1, "average")
    ]
    listed = client_of(coordinator).get(f"/api/v1/queries/{saved['queries'][0]['id']}/").json()
    assert (listed["hospital"], listed["form"], listed["repeat"]) == ("SHGH", "pain", 1)


def test_what_a_save_answers_is_what_is_read_afterwards(operated, coordinator, investigator, person):
    monitor, manager = person("monitor"), person("data_manager")
    client, address = client_of(coordinator), f"/api/v1/{place(operated, 'W1', 'pain')}"
    values = casebook.pain(clock.today("Asia/Shanghai"), 3) | {"average": 2}

    def saved(**body):
        answered = client.put(address, json.dumps({"values": values} | body), "application/json")
        told = answered.json()
        read = client.get(address)
        queries = told.pop("queries")
        assert told == read.json()
        assert answered["ETag"] == read["ETag"]
        return told["version"], told["state"], told["reached"], [query["item"] for query in queries]

    assert saved(complete=False) == (1, "draft", "draft", [])
    assert saved(expected_version=1) == (2, "complete", "complete", [])
    with acting(monitor):
        record = Record.objects.get(participant=operated, event="W1", form="pain")
    reviewing.verify(actor=monitor, record=record)
    with acting(coordinator):
        waiting = list(Query.objects.filter(participant=operated))
    for query in waiting:
        querying.close_query(actor=manager, query=query, text="Seen.")
    reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    assert saved(expected_version=2) == (2, "complete", "signed", [])
    values |= {"worst": 3, "average": 7}
    assert saved(expected_version=2, reason="misread") == (3, "complete", "complete", ["average"])
    reviewing.place_lock(
        actor=manager, kind="freeze", level="visit", participant=operated, event="W1", reason="clean"
    )
    assert saved(expected_version=3) == (3, "complete", "frozen", ["average"])


def test_a_verification_is_taken_back_with_a_reason(operated, coordinator, person):
    monitor = person("monitor")
    where = f"{place(operated)}verification/"
    made = post(monitor, where, items=["hgb", "plt"]).json()
    first = next(one["id"] for one in made if one["item"] == "hgb")
    assert post(monitor, f"{where}{first}/withdraw/").status_code == 422
    assert post(monitor, f"{where}{first}/withdraw/", reason=" ").status_code == 422
    assert post(coordinator, f"{where}{first}/withdraw/", reason="x").status_code == 403
    elsewhere = f"{place(operated, form='ecg')}verification/{first}/withdraw/"
    assert post(monitor, elsewhere, reason="x").status_code == 404
    rest = post(monitor, f"{where}{first}/withdraw/", reason="another patient's report")
    assert [one["item"] for one in rest.json()] == ["plt"]
    assert [one["item"] for one in client_of(coordinator).get(f"/api/v1/{where}").json()] == ["plt"]
    for gone in (first, 2**80):
        assert post(monitor, f"{where}{gone}/withdraw/", reason="again").status_code == 404


@pytest.mark.parametrize("level", ["item", "form", "visit", "participant", "database"])
def test_each_reach_is_locked_and_lifted(operated, coordinator, person, level):
    manager = person("data_manager")
    body = {"kind": "lock", "level": level, "reason": "clean"}
    if level != "database":
        body |= {"participant": operated.code, "event": "SCR", "form": "labs", "item": "hgb"}
    placed = post(manager, "locks/", **body)
    assert (placed.status_code, placed.json()["level"]) == (201, level)
    change = {"values": {"hgb": {"value": "13", "unit": "g/dL"}}, "expected_version": 1, "reason": "misread"}
    client, address = client_of(coordinator), f"/api/v1/{place(operated)}"
    refused = client.patch(address, json.dumps(change), "application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "locked")
    assert post(manager, f"locks/{placed.json()['id']}/lift/", reason="source corrected").status_code == 200
    assert client.patch(address, json.dumps(change), "application/json").status_code == 200


def test_a_complete_record_stays_complete_and_so_changes_with_a_reason_alone(operated, coordinator):
    today = clock.today("Asia/Shanghai")
    here = {"actor": coordinator, "participant": operated, "event": "W1", "form": "pain"}
    record = save_record(**here, values=casebook.pain(today, 3)).record
    body = {"values": casebook.pain(today, 8), "expected_version": 1, "complete": False, "reason": "x"}
    answer = client_of(coordinator).put(
        f"/api/v1/{place(operated, 'W1', 'pain')}", json.dumps(body), "application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "stays_complete")
    assert told(coordinator, operated, event="W1", form="pain")["state"] == "complete"
    with (
        acting(coordinator, reason="x"),
        pytest.raises(IntegrityError, match="stays complete"),
        transaction.atomic(),
    ):
        Record.objects.filter(pk=record.pk).update(state="draft")


def test_a_version_of_any_length_is_a_bad_header_and_no_defect(operated, coordinator):
    body = json.dumps({"values": casebook.pain(clock.today("Asia/Shanghai"), 3)})
    for header in ("9" * 10, "9" * 5000, "x", "-1"):
        answer = client_of(coordinator).put(
            f"/api/v1/{place(operated, 'W1', 'pain')}", body, "application/json", headers={"if-match": header}
        )
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["If-Match"]), header[:12]
