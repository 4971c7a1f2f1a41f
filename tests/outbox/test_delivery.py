"""What becomes of a message, for every answer that a mail server can give and every way a worker can end."""

import datetime as dt

import pytest

from tests.outbox.conftest import NOW, READER
from tests.processes import free_port
from trialsite.outbox import rules, services
from trialsite.outbox.mail import message_id

pytestmark = pytest.mark.django_db

STALE = rules.STALE_AFTER / dt.timedelta(minutes=1)
# The commands at which a server can refuse.
COMMANDS = ["MAIL", "RCPT", "DATA"]


def test_a_message_leaves_once_when_it_is_due(put, run, found, mailserver):
    put("one", {"subject": "约定", "body": "明天见。"})
    assert run(-1) == 0
    assert (run(), run(), run(60)) == (1, 0, 0)
    (mail,) = mailserver.sent_to(READER)
    assert (mail["Subject"], mail.get_content().strip()) == ("约定", "明天见。")
    assert mail["Message-ID"] == message_id("one")
    message = found("one")
    assert (message.state, message.attempts, message.answer) == ("sent", 1, "accepted by the mail server")
    assert message.finished_at is not None


def test_the_same_key_is_written_once_and_the_first_text_stands(put, run, mailserver):
    put("one", {"subject": "first"})
    put("one", {"subject": "second"})
    run()
    assert [mail["Subject"] for mail in mailserver.mails] == ["first"]


def test_the_one_due_longest_leaves_first(put, run, mailserver):
    for key, minutes in (("b", -5), ("c", -1), ("a", -9)):
        put(key, {"subject": key}, due_at=NOW + dt.timedelta(minutes=minutes))
    assert run() == 3
    assert [mail["Subject"] for mail in mailserver.mails] == ["a", "b", "c"]


def test_a_message_that_says_nothing_any_more_is_cancelled(put, run, found, mailserver):
    put("one", {"cancel": "the visit is settled"})
    assert (run(), run(60)) == (1, 0)
    message = found("one")
    assert (message.state, message.answer, mailserver.tries) == ("cancelled", "the visit is settled", 0)


def test_a_message_that_must_wait_is_asked_again_and_waiting_is_no_failure(put, run, found, mailserver):
    until = NOW + dt.timedelta(hours=8)
    put("one", {"later": until.isoformat()})
    assert (run(), run(1)) == (1, 0)
    message = found("one")
    assert (message.state, message.due_at, message.attempts, message.claimed_at) == (
        "pending",
        until,
        0,
        None,
    )
    assert run(8 * 60) == 1


def test_a_resolver_that_says_later_than_the_past_does_not_spin(put, run, found):
    put("one", {"later": (NOW - dt.timedelta(days=1)).isoformat()})
    assert run() == 1
    assert found("one").due_at == NOW + dt.timedelta(minutes=1)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_busy_is_asked_again_ever_later_and_at_last_left(
    put, run, found, mailserver, command
):
    put("one")
    mailserver.answers[command] = "451 busy, come back"
    minutes, waited = 0.0, []
    while found("one").state == "pending":
        assert run(minutes) == 1
        assert run(minutes) == 0, "it is not due again at once"
        due = (found("one").due_at - NOW) / dt.timedelta(minutes=1)
        waited.append(due - minutes)
        minutes = due
    assert waited == [1, 2, 4, 8, 16, 32, 64, 0]
    message = found("one")
    assert (message.state, message.attempts) == ("failed", rules.MOST_ATTEMPTS)
    assert message.answer == "451 busy, come back"
    assert (mailserver.tries, mailserver.mails) == (rules.MOST_ATTEMPTS, [])


def test_a_server_that_is_busy_once_gets_the_message_the_second_time(put, run, found, mailserver):
    put("one")
    mailserver.answers["DATA"] = "452 no room now"
    run()
    mailserver.answers.clear()
    run(1)
    message = found("one")
    assert (message.state, message.attempts, len(mailserver.mails)) == ("sent", 2, 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_for_good_is_not_repeated(put, run, found, mailserver, command):
    put("one")
    mailserver.answers[command] = "550 not here"
    assert (run(), run(24 * 60)) == (1, 0)
    assert (found("one").state, found("one").answer) == ("failed", "550 not here")
    assert (mailserver.tries, mailserver.mails) == (1, [])


@pytest.mark.parametrize("answer", ["299 perhaps", "354 go on", "sorry?"])
def test_an_answer_that_means_neither_yes_nor_no_is_not_taken_for_either(put, run, found, mailserver, answer):
    put("one")
    mailserver.answers["DATA"] = answer
    assert (run(), run(24 * 60)) == (1, 0)
    assert found("one").state == "uncertain"


def test_where_nobody_listens_nothing_is_lost_and_the_log_tells_it(
    put, run, found, mailserver, settings, caplog
):
    put("one")
    settings.EMAIL_PORT = free_port()
    assert run() == 1
    message = found("one")
    assert (message.state, message.due_at) == ("pending", NOW + dt.timedelta(minutes=1))
    assert "ConnectionRefusedError" in message.answer
    assert f"message {message.pk} was not sent: ConnectionRefusedError" in caplog.text
    settings.EMAIL_PORT = mailserver.port
    assert run(1) == 1
    assert (found("one").state, len(mailserver.mails)) == ("sent", 1)


def test_a_line_that_breaks_after_the_text_leaves_it_open_and_is_never_repeated(put, run, found, mailserver):
    put("one")
    mailserver.breaks = True
    assert (run(), run(STALE + 1), run(24 * 60)) == (1, 0, 0)
    message = found("one")
    assert (message.state, len(mailserver.mails)) == ("uncertain", 1)
    assert "disconnected" in message.answer.lower() or "closed" in message.answer.lower()


def test_a_person_repeats_an_uncertain_message_under_the_same_id(
    put, run, found, mailserver, coordinator, sender
):
    put("one")
    mailserver.breaks = True
    run()
    mailserver.breaks = False
    services.retry(actor=coordinator, message=found("one"))
    assert services.send_due(actor=sender) == 1
    message = found("one")
    assert (message.state, message.attempts) == ("sent", 1)
    assert [mail["Message-ID"] for mail in mailserver.mails] == [message_id("one")] * 2


def test_a_worker_that_dies_after_its_claim_leaves_an_uncertain_message(put, run, found, sender, mailserver):
    put("one")
    services.claim(actor=sender, now=NOW)
    run(STALE)
    assert found("one").state == "sending", "ten minutes are not over yet"
    run(STALE + 0.1)
    message = found("one")
    assert (message.state, message.answer) == ("uncertain", "the worker did not report back")
    assert (run(24 * 60), mailserver.tries) == (0, 0)


def test_a_worker_that_wakes_up_after_its_claim_has_expired_sends_nothing(
    put, run, found, sender, mailserver
):
    put("one")
    (late,) = services.claim(actor=sender, now=NOW)
    run(STALE + 1)
    assert services.deliver(actor=sender, message=late, now=NOW) == "uncertain"
    assert (found("one").state, mailserver.tries) == ("uncertain", 0)


def test_a_worker_that_wakes_up_while_another_has_the_message_sends_nothing(
    put, found, sender, coordinator, run, mailserver
):
    put("one")
    (late,) = services.claim(actor=sender, now=NOW)
    run(STALE + 1)
    retried = services.retry(actor=coordinator, message=found("one"))
    (theirs,) = services.claim(actor=sender, now=retried.due_at)
    services.deliver(actor=sender, message=late, now=NOW)
    assert (found("one").state, mailserver.tries) == ("sending", 0)
    assert services.deliver(actor=sender, message=theirs, now=retried.due_at) == "sent"
    services.deliver(actor=sender, message=late, now=NOW)
    assert len(mailserver.mails) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"payload": {"defect": "division by zero"}},
        {"kind": "of a room that is gone"},
        {"channel": "carrier pigeon"},
    ],
    ids=["resolver", "kind", "channel"],
)
def test_a_message_that_the_program_cannot_handle_holds_up_no_other(
    put, run, found, mailserver, broken, caplog
):
    put("broken", due_at=NOW - dt.timedelta(hours=1), **broken)
    for number in range(3):
        put(f"sound {number}")
    assert run() == 4
    assert [found(f"sound {number}").state for number in range(3)] == ["sent"] * 3
    message = found("broken")
    assert (message.state, message.answer) == ("uncertain", "the program failed while sending")
    ours = [record for record in caplog.records if record.name.startswith("trialsite")]
    assert ours
    assert not [record for record in ours if READER in record.getMessage()]
    assert run(24 * 60) == 0
