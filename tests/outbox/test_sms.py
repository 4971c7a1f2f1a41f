"""What becomes of a text message, for every answer that a provider can give and every way a line can break."""

import datetime as dt

import pytest

from tests.outbox.conftest import NOW
from tests.outbox.smsserver import TOKEN
from tests.processes import free_port
from trialsite.audit.context import acting
from trialsite.environment import BadEnvironment, web_address
from trialsite.outbox import rules, services
from trialsite.outbox.models import Message
from trialsite.outbox.sms import provider_key

pytestmark = pytest.mark.django_db

NUMBER = "+86 138 0000 0001"
STALE = rules.STALE_AFTER / dt.timedelta(minutes=1) + 0.1


@pytest.fixture
def text(put):
    """A text message that is due."""

    def text(key="one", **payload):
        put(key, {"to": NUMBER, "body": "明天 9:30，电话 021-0000-0001。"} | payload, channel="sms")

    return text


def test_a_text_leaves_once_with_its_key_and_nothing_that_tells_of_the_trial(text, run, found, smsserver):
    text("visit:7:participant_day_before:1:participant:7:sms")
    assert (run(), run(), run(60)) == (1, 0, 0)
    (sent,) = smsserver.texts
    assert (sent["to"], sent["text"]) == ("+8613800000001", "明天 9:30，电话 021-0000-0001。")
    message = found("visit:7:participant_day_before:1:participant:7:sms")
    assert (message.state, message.answer) == ("sent", "accepted by the SMS provider")
    ((_, key, headers),) = smsserver.requests
    assert (key, headers["Authorization"]) == (provider_key(message.key), f"Bearer {TOKEN}")
    assert "visit" not in key


def test_a_line_that_breaks_after_the_yes_is_settled_by_asking_for_the_key(text, run, found, smsserver):
    text()
    smsserver.breaks = True
    assert run() == 1
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)


def test_a_provider_that_is_too_slow_is_asked_and_not_sent_the_text_twice(text, run, found, smsserver):
    text()
    smsserver.slow = 1.5
    run()
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)


def test_while_the_provider_says_nothing_it_stays_open_and_is_asked_again_until_it_speaks(
    text, run, found, smsserver
):
    text()
    smsserver.breaks = smsserver.mute = True
    run()
    assert found("one").state == "sending"
    run(STALE)
    assert found("one").state == "sending"
    smsserver.mute = False
    run(STALE + 5)
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)


def test_a_provider_that_says_nothing_for_a_day_leaves_it_to_a_person(text, run, found, smsserver):
    text()
    smsserver.breaks = smsserver.mute = True
    run()
    run(24 * 60 + 1)
    assert (found("one").state, found("one").answer) == ("uncertain", "the worker did not report back")


@pytest.mark.parametrize("taken", [True, False])
def test_a_worker_that_died_after_its_claim_is_settled_by_the_key(text, run, found, sender, smsserver, taken):
    text()
    (mine,) = services.claim(actor=sender, now=NOW)
    if taken:
        smsserver.keys[provider_key("one")] = "delivered"
    run(STALE)
    if taken:
        assert (found("one").state, smsserver.texts) == ("sent", [])
        return
    message = found("one")
    assert (message.state, message.answer) == ("pending", "the SMS provider never had it")
    run(STALE + 5)
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)
    assert services.deliver(actor=sender, message=mine, now=NOW) == "sent", "the dead worker wakes up"
    assert len(smsserver.texts) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_provider_that_is_busy_gets_the_same_key_again(text, run, found, smsserver, status):
    text()
    smsserver.answers = (status, {"detail": "come back"})
    run()
    assert (found("one").state, found("one").answer) == ("pending", f"{status} come back")
    smsserver.answers = None
    run(1)
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)
    assert len({key for _, key, _ in smsserver.requests}) == 1


def test_an_error_behind_which_the_text_was_taken_is_found_out_at_the_last_try(text, run, found, smsserver):
    text()
    smsserver.answers = (502, {})
    smsserver.keys[provider_key("one")] = "delivered"
    minutes = 0.0
    while found("one").state == "pending":
        run(minutes)
        minutes = (found("one").due_at - NOW) / dt.timedelta(minutes=1)
    assert (found("one").state, smsserver.texts) == ("sent", [])


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((400, {"detail": "the number +8613800000001 does not exist"}), "400 the number … does not exist"),
        ((401, {}), "401"),
        ((302, {}), "302"),
        ((202, {"status": "rejected"}), "refused by the SMS provider"),
        ((202, {"status": "rejected", "detail": "021-0000-0001 is blocked"}), "202 … is blocked"),
        ((422, b"<html>not JSON"), "422"),
    ],
)
def test_a_no_is_final_and_its_words_hold_no_number(text, run, found, smsserver, answers, words):
    text()
    smsserver.answers = answers
    assert (run(), run(24 * 60)) == (1, 0)
    assert (found("one").state, found("one").answer) == ("failed", words)


@pytest.mark.parametrize("number", ["", "none", "139'; DROP TABLE", "+86 138\n0000", "１３８００００"])
def test_what_is_no_number_is_not_asked_of_the_provider(text, run, found, smsserver, number):
    text(to=number)
    run()
    if found("one").state == "failed":
        assert (found("one").answer, smsserver.requests) == ("the telephone number cannot be used", [])
    else:
        assert smsserver.texts[0]["to"] == "+861380000", "a line break is a blank like others"


def test_where_no_provider_listens_it_is_tried_again(text, run, found, smsserver, settings):
    text()
    settings.SMS_URL = f"http://127.0.0.1:{free_port()}/v1/messages"
    run()
    assert found("one").state == "pending"
    settings.SMS_URL = smsserver.url
    run(1)
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)


def test_without_a_provider_a_person_is_told_so(text, run, found, settings):
    settings.SMS_URL = ""
    text()
    run()
    assert (found("one").state, found("one").answer) == ("failed", "no SMS provider is configured")


def test_after_a_no_a_persons_retry_is_a_new_text_and_an_uncertain_one_keeps_its_key(
    text, run, found, smsserver, coordinator, sender
):
    text()
    smsserver.answers = (400, {})
    run()
    services.retry(actor=coordinator, message=found("one"))
    smsserver.answers = None
    services.send_due(actor=sender)
    assert found("one").state == "sent"
    first, second = (key for _, key, _ in smsserver.requests)
    assert first != second

    text("two")
    smsserver.breaks = smsserver.mute = True
    run()
    run(24 * 60 + 1)
    smsserver.breaks = smsserver.mute = False
    services.retry(actor=coordinator, message=found("two"))
    services.send_due(actor=sender)
    assert (found("two").state, len(smsserver.texts)) == ("sent", 2), "one each"


def test_the_channel_is_written_down_before_the_provider_is_called(put, run, found, sender, smsserver):
    put("one", {"to": NUMBER, "via": "sms"}, channel="preferred")
    seen = []

    def meanwhile():
        seen.append(True)

    smsserver.meanwhile = meanwhile
    run()
    message = found("one")
    assert (message.state, message.via, message.channel, seen) == ("sent", "sms", "preferred", [True])


def test_a_worker_that_died_before_it_chose_a_channel_has_sent_nothing(put, run, found, sender, smsserver):
    put("one", {"to": NUMBER, "via": "sms"}, channel="preferred")
    (mine,) = services.claim(actor=sender, now=NOW)
    run(STALE)
    assert (found("one").state, len(smsserver.texts)) == ("sent", 1)
    services.deliver(actor=sender, message=mine, now=NOW)
    assert len(smsserver.texts) == 1
    with acting(sender):
        assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://sms.example/v1",
        "ftp://sms.example",
        "https://",
        "https://user:secret@sms.example/",
        "https://sms.example/?key=1",
        "sms.example",
    ],
)
def test_the_providers_address_is_https_and_holds_no_secret(address):
    with pytest.raises(BadEnvironment, match="SMS_URL"):
        web_address("SMS_URL", env={"SMS_URL": address})


@pytest.mark.parametrize("address", ["", "https://sms.example/v1/messages", "http://127.0.0.1:8025/v1"])
def test_or_this_machine(address):
    assert web_address("SMS_URL", env={"SMS_URL": address}) == address
