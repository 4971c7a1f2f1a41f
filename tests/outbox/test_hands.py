"""Whose hands a message is in: who sees it, who may have it tried again, and what nobody may change."""

import json

import psycopg
import pytest
from django.test import Client
from django.utils.translation import override

from tests.conftest import make_person
from tests.outbox.conftest import NOW
from trialsite.audit.context import acting
from trialsite.core.errors import Forbidden, Invalid, NotFound, OutOfOrder
from trialsite.outbox import services
from trialsite.outbox.errors import NotToBeClosed, NotToBeRetried
from trialsite.outbox.models import Message

CODES = "SELECT key FROM outbox_message ORDER BY key"


@pytest.fixture
def bring(put, run, mailserver):
    """Brings a message to a state, through the worker."""

    def bring(key, state, **other):
        put(key, {"cancel": "not needed"} if state == "cancelled" else None, **other)
        mailserver.answers = {"RCPT": "550 no"} if state == "failed" else {}
        mailserver.breaks = state == "uncertain"
        if state != "pending":
            run()

    return bring


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["failed", "uncertain"])
@pytest.mark.parametrize("role", ["coordinator", "investigator", "pi", "trial_manager"])
def test_who_cares_for_the_participants_has_it_tried_again(bring, found, site_a, role, state):
    bring("one", state)
    actor = make_person(role, None if role == "trial_manager" else site_a)
    retried = services.retry(actor=actor, message=found("one"))
    assert (retried.state, retried.attempts, retried.finished_at, retried.claimed_at) == (
        "pending",
        0,
        None,
        None,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "where", "refusal"),
    [
        ("coordinator", "other", NotFound),
        ("pi", "other", NotFound),
        ("assessor", "own", Forbidden),
        ("machine", "own", Forbidden),
        ("monitor", "all", Forbidden),
        ("data_manager", "all", Forbidden),
        ("auditor", "all", Forbidden),
        ("statistician", "all", Forbidden),
        ("administrator", "all", Forbidden),
    ],
)
def test_nobody_else_does(bring, found, site_a, site_b, role, where, refusal):
    bring("one", "failed")
    actor = make_person(role, {"own": site_a, "other": site_b, "all": None}[where])
    with pytest.raises(refusal):
        services.retry(actor=actor, message=found("one"))
    assert found("one").state == "failed"


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["pending", "sent", "cancelled"])
def test_only_what_failed_or_is_uncertain_is_tried_again(bring, found, coordinator, state):
    bring("one", state)
    with override("en"), pytest.raises(NotToBeRetried, match="not sent again"):
        services.retry(actor=coordinator, message=found("one"))
    assert found("one").state == state


@pytest.mark.django_db
def test_what_a_worker_is_sending_is_not_tried_again(put, found, sender, coordinator):
    put("one")
    services.claim(actor=sender, now=NOW)
    with pytest.raises(NotToBeRetried):
        services.retry(actor=coordinator, message=found("one"))
    assert found("one").state == "sending"


@pytest.mark.django_db
def test_a_second_click_on_try_again_is_refused_and_sends_once(bring, found, coordinator, sender, mailserver):
    bring("one", "failed")
    mailserver.answers.clear()
    message = found("one")
    services.retry(actor=coordinator, message=message)
    with pytest.raises(NotToBeRetried):
        services.retry(actor=coordinator, message=message)
    assert services.send_due(actor=sender) == 1
    assert len(mailserver.mails) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["coordinator", "monitor"])
def test_only_a_sender_claims_and_sends(put, found, site_a, role):
    put("one")
    actor = make_person(role, site_a if role == "coordinator" else None)
    for attempt in (
        lambda: services.claim(actor=actor, now=NOW),
        lambda: services.send_due(actor=actor, now=NOW),
        lambda: services.resolve_stale(actor=actor, now=NOW),
        lambda: services.deliver(actor=actor, message=found("one"), now=NOW),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert found("one").state == "pending"


@pytest.mark.django_db
def test_over_rest_another_hospital_finds_no_such_message(bring, found, coordinator, coordinator_b):
    bring("one", "failed")
    address = f"/api/v1/reminders/{found('one').pk}/"
    theirs, ours = Client(), Client()
    theirs.force_login(coordinator_b)
    ours.force_login(coordinator)
    assert theirs.get("/api/v1/reminders/").json()["results"] == []
    assert theirs.get(address).status_code == 404
    for action in ("retry", "give-up", "delivered"):
        assert theirs.post(f"{address}{action}/", {}, "application/json").status_code == 404
    shown = ours.get(address).json()
    assert (shown["state"], shown["answer"]) == ("failed", "550 no")
    assert "@" not in json.dumps(shown)
    assert ours.post(f"{address}retry/", {}, "application/json").json()["state"] == "pending"
    again = ours.post(f"{address}retry/", {}, "application/json")
    assert (again.status_code, again.json()["code"]) == (409, "message_not_retried")


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "fine"), [("failed", False), ("uncertain", True), ("sent", False)])
def test_an_uncertain_message_may_turn_out_delivered_for_a_reason_that_stays(
    bring, found, coordinator, state, fine
):
    bring("one", state)
    if not fine:
        with pytest.raises(NotToBeClosed):
            services.mark_delivered(actor=coordinator, message=found("one"), reason="seen in the log")
        return
    with pytest.raises(Invalid, match="cannot be accepted"):
        services.mark_delivered(actor=coordinator, message=found("one"), reason="  ")
    services.mark_delivered(actor=coordinator, message=found("one"), reason="seen in the log")
    message = found("one")
    assert (message.state, message.worked_off_by_id) == ("sent", coordinator.pk)
    assert (message.worked_off_because, message.answer) == (
        "seen in the log",
        "a person found out that it was delivered",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["failed", "uncertain"])
def test_a_message_that_is_given_up_stays_so_and_leaves_the_list(
    bring, found, coordinator, sender, state, mailserver
):
    bring("one", state)
    services.give_up(actor=coordinator, message=found("one"), reason="telephoned")
    assert found("one").state == "given_up"
    for again in (services.give_up, services.mark_delivered, services.retry):
        with pytest.raises(OutOfOrder):
            again(actor=coordinator, message=found("one"), reason="after all")
    mailserver.answers.clear()
    assert services.send_due(actor=sender) == 0
    with acting(coordinator):
        assert not Message.objects.for_person(coordinator).exists()


@pytest.mark.django_db
def test_over_rest_a_message_is_worked_off(bring, found, coordinator):
    bring("one", "uncertain")
    bring("two", "failed")
    client = Client()
    client.force_login(coordinator)
    listed = client.get("/api/v1/reminders/?to_work_off=true").json()["results"]
    assert {row["state"] for row in listed} == {"uncertain", "failed"}
    one, two = (f"/api/v1/reminders/{found(key).pk}/" for key in ("one", "two"))
    refused = client.post(f"{one}delivered/", {}, "application/json")
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["reason"])
    done = client.post(f"{one}delivered/", {"reason": "in the log"}, "application/json").json()
    assert (done["state"], done["worked_off_by"]) == ("sent", coordinator.username)
    answer = client.post(f"{two}delivered/", {"reason": "in the log"}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "message_not_closed")
    assert (
        client.post(f"{two}give-up/", {"reason": "called"}, "application/json").json()["state"] == "given_up"
    )
    assert client.get("/api/v1/reminders/?to_work_off=true").json()["results"] == []


@pytest.mark.django_db
def test_on_the_page_a_person_decides_and_only_what_is_possible_is_offered(bring, found, coordinator):
    bring("one", "failed")
    client = Client(headers={"accept-language": "en"})
    client.force_login(coordinator)
    address = f"/admin/message/{found('one').pk}/"
    page = client.get(address).content.decode()
    assert "550 no" in page
    assert "delivered after all" not in page
    refused = client.post(address, {"decision": "give_up"})
    assert refused.status_code == 422
    assert "A reason is needed." in refused.content.decode()
    assert client.post(address, {"decision": "delivered", "reason": "x"}).status_code == 422
    assert client.post(address, {"decision": "give_up", "reason": "telephoned"}).status_code == 302
    assert found("one").state == "given_up"
    assert "telephoned" in client.get(address).content.decode()


@pytest.mark.django_db
def test_optional_kinds_are_refused_by_everyone_for_themselves(coordinator, investigator):
    client = Client(headers={"accept-language": "en"})
    client.force_login(coordinator)
    assert client.post("/admin/my-messages/", {"visit": "on"}).status_code == 302
    assert services.preferences(coordinator) == {"visit": True, "digest": False, "query": False}
    assert services.preferences(investigator) == {"visit": True, "digest": True, "query": True}
    answer = client.put(
        "/api/v1/reminders/preferences/", {"kind": "allocation", "wanted": False}, "application/json"
    )
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["kind"])
    answer = client.put(
        "/api/v1/reminders/preferences/", {"kind": "digest", "wanted": True}, "application/json"
    )
    assert {"kind": "digest", "wanted": True} in answer.json()


@pytest.mark.django_db
def test_the_list_to_work_off_holds_what_a_person_must_decide_at_the_own_hospital(
    bring, coordinator, coordinator_b, site_b
):
    for state in ("pending", "sent", "cancelled", "failed", "uncertain"):
        bring(f"a {state}", state)
    bring("b failed", "failed", site=site_b)
    for actor, keys in ((coordinator, ["a failed", "a uncertain"]), (coordinator_b, ["b failed"])):
        with acting(actor):
            listed = Message.objects.for_person(actor).values_list("key", flat=True)
            assert sorted(listed) == keys


@pytest.mark.django_db
def test_in_the_admin_the_chosen_ones_are_tried_again_and_the_others_named(bring, found, coordinator):
    bring("one", "failed", subject_code="01-001")
    bring("two", "sent", subject_code="01-002")
    client = Client(headers={"accept-language": "en"})
    client.force_login(coordinator)
    chosen = [found("one").pk, found("two").pk]
    answer = client.post(
        "/admin/outbox/message/", {"action": "try_again", "_selected_action": chosen}, follow=True
    )
    page = answer.content.decode()
    assert "1 will be tried again." in page
    assert "01-002: A message that is “sent” is not sent again." in page
    assert (found("one").state, found("two").state) == ("pending", "sent")


def test_the_database_shows_a_message_at_its_own_hospital_to_whoever_may_read_reminders(
    committed, put, raw, site_a, site_b, coordinator, coordinator_b, assessor, trial_manager
):
    put("a")
    put("b", site=site_b)
    assert raw(CODES) == []
    assert raw(CODES, actor=coordinator) == [("a",)]
    assert raw(CODES, actor=coordinator_b) == [("b",)]
    assert raw(CODES, actor=trial_manager) == [("a",), ("b",)]
    assert raw(CODES, actor=assessor) == raw(CODES, actor=make_person("administrator")) == []


def test_the_database_lets_nobody_write_at_another_hospital(committed, put, raw, site_a, coordinator_b):
    put("a")
    raw("UPDATE outbox_message SET state = 'cancelled'", actor=coordinator_b)
    assert raw("SELECT state FROM outbox_message", actor=make_person("trial_manager")) == [("pending",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        raw(
            "INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code,"
            " site_id, due_at, state, attempts, answer)"
            " VALUES (now(), 'c', 'note', 'user:1', 'email', '{}', '', %s, now(), 'pending', 0, '')",
            site_a.pk,
            actor=coordinator_b,
        )


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("SET key = 'other'", "key cannot change"),
        ("SET recipient = 'user:2'", "recipient cannot change"),
        ("SET kind = 'visit'", "kind cannot change"),
        ("SET channel = 'sms'", "channel cannot change"),
        ('SET payload = \'{"to": "me@evil.example"}\'', "payload cannot change"),
        ("SET subject_code = '01-002'", "subject_code cannot change"),
        ("SET created_at = now()", "created_at cannot change"),
        ("SET site_id = site_id + 1", "site_id cannot change"),
        ("SET state = 'lost'", "message_state_known"),
    ],
)
def test_what_was_to_be_said_to_whom_never_changes_in_the_database(
    committed, put, raw, coordinator, change, refusal
):
    put("one")
    with pytest.raises(psycopg.Error, match=refusal):
        raw(f"UPDATE outbox_message {change}", actor=coordinator)


def test_no_message_is_ever_deleted(committed, put, raw, coordinator):
    put("one")
    with pytest.raises(psycopg.Error, match="keeps every row"):
        raw("DELETE FROM outbox_message", actor=coordinator)
