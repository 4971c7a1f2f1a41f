"""Queries, verification, freezes and locks, and the investigator's signature: what happens around a record."""

import threading

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tests.conftest import PASSWORD
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import querying, reviewing
from trialsite.casebook.errors import (
    AlreadyLifted,
    AskedAlready,
    Locked,
    NoSuchItem,
    NotAllComplete,
    NotYetComplete,
    QueryNotOpen,
    TextNeeded,
)
from trialsite.casebook.models import CasebookSignature, Query, QueryMessage, Record, Verification
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden, NotFound
from trialsite.staff.errors import WrongPassword

TODAY = clock.today("Asia/Shanghai").isoformat()
PAIN = {"paindat": TODAY, "worst": 6, "average": 4}


@pytest.fixture
def operated(data, coordinator, investigator, site_a):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def save(operated, coordinator):
    def save(values, event="W1", form="pain", **more):
        more.setdefault("reason", "misread")
        return save_record(
            actor=coordinator, participant=operated, event=event, form=form, values=values, **more
        )

    return save


@pytest.fixture
def record(save):
    return save(PAIN).record


@pytest.fixture
def monitor(person):
    return person("monitor")


@pytest.fixture
def manager(person):
    return person("data_manager")


# Queries -------------------------------------------------------------------------------------------------------


def test_a_query_is_asked_answered_asked_again_and_closed_and_every_word_stays(record, monitor, coordinator):
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    query = querying.answer_query(actor=coordinator, query=query, text="The chart was of the day before.")
    assert query.state == "answered"
    query = querying.reopen_query(actor=monitor, query=query, text="Please add the date.")
    query = querying.answer_query(actor=coordinator, query=query, text="2 March.")
    query = querying.close_query(actor=monitor, query=query, text="Clear now.")
    assert (query.state, query.closed_by) == ("closed", monitor)
    with acting(monitor):
        said = list(QueryMessage.objects.filter(query=query).values_list("author_id", "act"))
    asked, site = monitor.pk, coordinator.pk
    assert said == [
        (asked, "raise"),
        (site, "answer"),
        (asked, "reopen"),
        (site, "answer"),
        (asked, "close"),
    ]


def test_a_query_by_a_person_never_blocks_entry_and_does_not_close_by_itself(record, save, monitor):
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    save(PAIN | {"worst": 8}, expected_version=record.version)
    with acting(monitor):
        query.refresh_from_db()
    assert query.state == "open"


def test_a_query_from_a_check_closes_when_the_entry_is_mended(save, monitor):
    first = save(PAIN | {"average": 7})
    assert [query.item for query in first.queries] == ["average"]
    second = save(PAIN | {"average": 5}, expected_version=first.record.version)
    assert second.queries == []


def test_an_entry_that_a_person_accepted_is_not_questioned_again_until_it_changes(save, manager, coordinator):
    first = save(PAIN | {"average": 7})
    query = first.queries[0]
    querying.answer_query(actor=coordinator, query=query, text="As the patient said.")
    querying.close_query(actor=manager, query=query, text="Accepted.")
    again = save(PAIN | {"average": 7, "worst": 5}, expected_version=first.record.version)
    assert again.queries == []
    other = save(PAIN | {"average": 9, "worst": 5}, expected_version=again.record.version)
    assert [query.item for query in other.queries] == ["average"]


def test_what_a_person_asks_again_stays_theirs_to_close(save, manager, coordinator):
    first = save(PAIN | {"average": 7})
    querying.close_query(actor=manager, query=first.queries[0], text="Accepted.")
    asked = querying.reopen_query(actor=manager, query=first.queries[0], text="Really?")
    mended = save(PAIN | {"average": 5}, expected_version=first.record.version)
    assert [query.pk for query in mended.queries] == [asked.pk], "no save closes it without a word"
    querying.close_query(actor=manager, query=asked, text="Mended.")
    # The check asks anew; the closed question is not asked beside it.
    again = save(PAIN | {"average": 8}, expected_version=mended.record.version)
    with pytest.raises(AskedAlready, match=str(again.queries[0].pk)):
        querying.reopen_query(actor=manager, query=asked, text="Again?")


def test_the_same_question_twice_is_one_query(record, monitor):
    first = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    assert (
        querying.raise_query(actor=monitor, record=record, item="worst", text=" The chart says 8. ") == first
    )


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001, "a\x00b"])
def test_a_query_needs_words(record, monitor, text):
    with pytest.raises(TextNeeded) as refused:
        querying.raise_query(actor=monitor, record=record, item="worst", text=text)
    assert set(refused.value.fields) == {"text"}


def test_an_item_that_is_not_on_the_form_cannot_be_asked_about(record, monitor):
    with pytest.raises(NoSuchItem):
        querying.raise_query(actor=monitor, record=record, item="hgb", text="?")


def test_who_may_ask_and_who_may_answer(record, monitor, coordinator, person, coordinator_b):
    with pytest.raises(Forbidden):
        querying.raise_query(actor=coordinator, record=record, item="worst", text="?")
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="?")
    with pytest.raises(Forbidden):
        querying.answer_query(actor=monitor, query=query, text="!")
    with pytest.raises(NotFound):
        querying.answer_query(actor=coordinator_b, query=query, text="!")


def test_a_closed_query_is_not_answered(record, monitor, coordinator):
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="?")
    querying.close_query(actor=monitor, query=query, text="My mistake.")
    with pytest.raises(QueryNotOpen):
        querying.answer_query(actor=coordinator, query=query, text="!")


# Verification --------------------------------------------------------------------------------------------------


def standing(user, record):
    with acting(user):
        rows = Verification.objects.visible_to(user).standing().filter(record=record)
        return {row.item for row in rows}


def test_items_and_forms_are_verified_and_fall_with_their_entry_only(record, save, monitor):
    reviewing.verify(actor=monitor, record=record, items=["worst", "average"])
    reviewing.verify(actor=monitor, record=record)
    assert standing(monitor, record) == {"", "average", "worst"}
    save(PAIN | {"worst": 8}, expected_version=record.version)
    assert standing(monitor, record) == {"average"}


def test_verifying_twice_is_one_verification(record, monitor):
    first = reviewing.verify(actor=monitor, record=record, items=["worst"])
    assert reviewing.verify(actor=monitor, record=record, items=["worst"]) == first


def test_a_verification_is_taken_back_with_a_reason(record, monitor):
    made = reviewing.verify(actor=monitor, record=record)[0]
    with pytest.raises(TextNeeded):
        reviewing.take_back(actor=monitor, verification=made, reason=" ")
    reviewing.take_back(actor=monitor, verification=made, reason="wrong participant's chart")
    assert standing(monitor, record) == set()


def test_a_draft_and_an_unknown_item_are_not_verified(save, monitor, record):
    draft = save({"paindat": TODAY}, event="W2", complete=False).record
    with pytest.raises(NotYetComplete):
        reviewing.verify(actor=monitor, record=draft)
    with pytest.raises(NoSuchItem):
        reviewing.verify(actor=monitor, record=record, items=["hgb"])


def test_the_hospital_does_not_verify_itself(record, coordinator):
    with pytest.raises(Forbidden):
        reviewing.verify(actor=coordinator, record=record)


# Freezes and locks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["item", "form", "visit", "participant", "database"])
def test_nothing_under_a_lock_changes_until_it_is_lifted(level, record, save, manager, operated):
    reach = {
        "item": {"record": record, "item": "worst"},
        "form": {"record": record},
        "visit": {"participant": operated, "event": "W1"},
        "participant": {"participant": operated},
        "database": {},
    }[level]
    # Of what is not clean yet everything can only be frozen.
    kind = "freeze" if level == "database" else "lock"
    lock = reviewing.place_lock(actor=manager, kind=kind, level=level, reason="interim analysis", **reach)
    with pytest.raises(Locked):
        save(PAIN | {"worst": 8}, expected_version=record.version)
    reviewing.lift_lock(actor=manager, lock=lock, reason="source corrected")
    assert save(PAIN | {"worst": 8}, expected_version=record.version).changed


def test_other_items_of_a_form_with_a_locked_item_can_change(record, save, manager):
    reviewing.place_lock(
        actor=manager, kind="freeze", level="item", reason="cleaning", record=record, item="worst"
    )
    assert save(PAIN | {"average": 3}, expected_version=record.version).changed


def test_a_lock_over_a_visit_also_keeps_new_forms_out(record, save, manager, operated):
    reviewing.place_lock(
        actor=manager, kind="freeze", level="visit", reason="cleaning", participant=operated, event="W1"
    )
    with pytest.raises(Locked):
        save({"opidat": TODAY, "taken": False}, form="opioids")
    assert save(PAIN, event="W2").changed


def test_a_lock_is_placed_once_and_lifted_once_with_a_reason(record, manager):
    place = {"actor": manager, "kind": "lock", "level": "form", "reason": "final", "record": record}
    lock = reviewing.place_lock(**place)
    assert reviewing.place_lock(**place) == lock
    with pytest.raises(TextNeeded):
        reviewing.lift_lock(actor=manager, lock=lock, reason="")
    reviewing.lift_lock(actor=manager, lock=lock, reason="error found")
    with pytest.raises(AlreadyLifted):
        reviewing.lift_lock(actor=manager, lock=lock, reason="again")


def test_who_captures_does_not_lock(record, coordinator, monitor):
    for actor in (coordinator, monitor):
        with pytest.raises(Forbidden):
            reviewing.place_lock(actor=actor, kind="lock", level="form", reason="x", record=record)


def test_raw_sql_does_not_pass_a_lock(committed, record, manager, coordinator, raw, operated):
    reviewing.place_lock(
        actor=manager, kind="lock", level="participant", reason="final", participant=operated
    )
    with pytest.raises(psycopg.errors.RestrictViolation, match="freeze or lock"):
        raw(
            "SELECT set_config('edc.reason', 'x', true);"
            f"UPDATE casebook_record SET data = '{{}}', version = version + 1 WHERE id = {record.pk}",
            actor=coordinator,
        )


def test_a_save_and_a_lock_at_once_never_both_win(committed, record, operated, coordinator, manager):
    """Whoever comes second sees the first: either the save is refused, or the lock stands over what was saved."""
    refused = []
    start = threading.Barrier(2)

    def save_it():
        try:
            start.wait()
            save_record(
                actor=coordinator,
                participant=operated,
                event="W1",
                form="pain",
                values=PAIN | {"worst": 9},
                expected_version=record.version,
                reason="race",
            )
        except Locked:
            refused.append(True)
        finally:
            connection.close()

    def lock_it():
        try:
            start.wait()
            reviewing.place_lock(actor=manager, kind="freeze", level="database", reason="final")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for work in (save_it, lock_it)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with acting(manager):
        now = Record.objects.get(pk=record.pk)
    assert (now.data["worst"]["value"] == "9") != bool(refused)
    with pytest.raises(Locked):
        save_record(
            actor=coordinator, participant=operated, event="W2", form="pain", values=PAIN, reason="later"
        )


# The signature over a casebook ---------------------------------------------------------------------------------


def test_an_investigator_signs_the_whole_casebook_and_it_falls_with_any_change(
    record, save, operated, investigator
):
    signed = reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    with acting(investigator):
        assert signed.records == Record.objects.filter(participant=operated).count()
    again = reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    assert again == signed
    save(PAIN | {"worst": 8}, expected_version=record.version)
    with acting(investigator):
        assert not CasebookSignature.objects.standing().filter(participant=operated).exists()


@pytest.mark.parametrize("way", ["service", "sql"])
def test_a_record_that_comes_later_lets_the_signature_over_the_casebook_fall(
    way, record, save, operated, investigator, coordinator
):
    signed = reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    if way == "service":
        assert save(PAIN, event="W4").fallen == 1
    else:
        with acting(coordinator, reason="late"), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO casebook_record (created_at, event, form, repeat, data, state, version, reveals_arm,"
                " updated_at, participant_id, site_id, protocol_version_id, updated_by_id)"
                " SELECT created_at, 'W4', form, repeat, data, state, version, reveals_arm, updated_at,"
                " participant_id, site_id, protocol_version_id, updated_by_id FROM casebook_record WHERE id = %s",
                [record.pk],
            )
    with acting(investigator):
        signed.signature.refresh_from_db()
        assert signed.signature.fallen_reason.startswith("new: W4/pain")
    renewed = reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    assert renewed.records == signed.records + 1


def test_a_casebook_with_drafts_or_open_queries_is_not_signed(record, save, operated, investigator, monitor):
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="Is it 6?")
    save({"paindat": TODAY}, event="W4", complete=False)
    with pytest.raises(NotAllComplete, match=r"W4/pain, W1/pain\.worst"):
        reviewing.sign_casebook(actor=investigator, participant=operated, password=PASSWORD)
    client = Client()
    client.force_login(investigator)
    address = "/admin/participant/01-001/casebook/sign/"
    page = client.get(address).content.decode()
    assert "Is it 6?" in page and "/form/W4/pain/1/" in page and 'name="password"' not in page
    querying.close_query(actor=monitor, query=query, text="Seen.")
    save(PAIN, event="W4", expected_version=1)
    assert 'name="password"' in client.get(address).content.decode()


def test_the_password_and_the_role_are_asked_for(record, operated, investigator, coordinator):
    with pytest.raises(WrongPassword):
        reviewing.sign_casebook(actor=investigator, participant=operated, password="guess")
    with pytest.raises(Forbidden):
        reviewing.sign_casebook(actor=coordinator, participant=operated, password=PASSWORD)
    with acting(investigator):
        assert Query.objects.open().count() == 0
        assert not CasebookSignature.objects.exists()


def test_lists_over_rest_tell_the_newest_first_whatever_their_random_keys(operated, save, manager, monitor):
    records = [save(PAIN, event=event).record for event in ("W1", "W2", "W4", "M3")]
    for number, record in enumerate(records):
        querying.raise_query(actor=monitor, record=record, item="worst", text=f"question {number}")
        reviewing.place_lock(actor=manager, kind="freeze", level="form", record=record, reason="clean")
    client = Client()
    client.force_login(manager)

    def told(path):
        rows: list[str] = []
        address = f"/api/v1/{path}?page_size=3"
        while address:
            page = client.get(address).json()
            rows += [row["event"] for row in page["results"]]
            address = page["next"]
        return rows

    mine = f"participants/{operated.code}"
    for path in (f"{mine}/records/", f"{mine}/queries/", "queries/", "locks/"):
        assert told(path)[:4] == ["M3", "W4", "W2", "W1"], path
