"""Several workers at once, late ones and killed ones, on connections and processes of their own."""

import collections
import datetime as dt
import os
import signal
import subprocess
import sys
import threading

import pytest
from django.db import connections

from tests.conftest import ROOT
from tests.outbox.conftest import NOW, READER
from trialsite.outbox import rules, services

STALE = rules.STALE_AFTER + dt.timedelta(seconds=1)


@pytest.fixture
def together(committed):
    """Runs `work` in so many threads that start at once; what they return, and nothing they raise is lost."""

    def together(work, threads):
        start, done, failed = threading.Barrier(threads), [], []

        def one():
            try:
                start.wait(10)
                done.append(work())
            except Exception as error:  # noqa: BLE001 -- handed to the test
                failed.append(error)
            finally:
                connections.close_all()

        running = [threading.Thread(target=one) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(60)
        assert failed == []
        return done

    return together


@pytest.fixture
def elsewhere(committed):
    """Runs `work` on a connection of its own, as the mail server's thread calls it."""

    def elsewhere(work):
        def run():
            try:
                work()
            finally:
                connections.close_all()

        return run

    return elsewhere


def test_four_workers_send_each_message_once(put, sender, found, mailserver, together):
    keys = [f"note {number}" for number in range(40)]
    for key in keys:
        put(key, {"subject": key})
    handled = together(lambda: services.send_due(actor=sender, now=NOW), threads=4)
    assert sum(handled) == len(keys)
    assert collections.Counter(mail["Subject"] for mail in mailserver.mails) == dict.fromkeys(keys, 1)
    assert {(found(key).state, found(key).attempts) for key in keys} == {("sent", 1)}


def test_claims_of_many_at_once_never_overlap(put, sender, together):
    for number in range(60):
        put(f"note {number}")

    def claim_all():
        mine = []
        while claimed := services.claim(actor=sender, now=NOW, limit=7):
            mine += [message.pk for message in claimed]
        return mine

    taken = [pk for mine in together(claim_all, threads=4) for pk in mine]
    assert (len(taken), len(set(taken))) == (60, 60)


def test_a_message_that_someone_holds_is_passed_over_not_waited_for(put, sender, elsewhere, mailserver):
    """While the server has the first message and has not answered yet, a second worker takes the next one."""
    put("first", {"subject": "first"}, due_at=NOW - dt.timedelta(minutes=1))
    put("second", {"subject": "second"})
    theirs = []

    def meanwhile():
        mailserver.meanwhile = lambda: None
        theirs.append(services.send_due(actor=sender, now=NOW))

    mailserver.meanwhile = elsewhere(meanwhile)
    assert services.send_due(actor=sender, now=NOW) == 1
    assert theirs == [1]
    assert [mail["Subject"] for mail in mailserver.mails] == ["first", "second"]


def test_a_slow_yes_is_believed_although_the_message_counted_as_uncertain(
    put, sender, found, elsewhere, mailserver
):
    put("one")
    mailserver.meanwhile = elsewhere(lambda: services.resolve_stale(actor=sender, now=NOW + STALE))
    services.send_due(actor=sender, now=NOW)
    message = found("one")
    assert (message.state, message.answer, len(mailserver.mails)) == (
        "sent",
        "accepted by the mail server",
        1,
    )


@pytest.mark.parametrize("answer", ["451 busy", "550 not here"])
def test_a_slow_no_does_not_bring_an_uncertain_message_back(
    put, sender, found, elsewhere, mailserver, answer
):
    put("one")
    mailserver.answers["DATA"] = answer
    mailserver.meanwhile = elsewhere(lambda: services.resolve_stale(actor=sender, now=NOW + STALE))
    services.send_due(actor=sender, now=NOW)
    assert found("one").state == "uncertain"


@pytest.mark.parametrize("answer", ["250 OK", "451 busy", "550 not here"])
def test_a_late_worker_does_not_overwrite_what_another_is_doing(
    put, sender, found, coordinator, elsewhere, mailserver, answer
):
    """The first worker's server is so slow that a person has the message sent again, and a second claims it."""
    put("one")
    mailserver.answers["DATA"] = answer
    theirs = []

    def meanwhile():
        services.resolve_stale(actor=sender, now=NOW + STALE)
        retried = services.retry(actor=coordinator, message=found("one"))
        theirs.extend(services.claim(actor=sender, now=retried.due_at))

    mailserver.meanwhile = elsewhere(meanwhile)
    (mine,) = services.claim(actor=sender, now=NOW)
    services.deliver(actor=sender, message=mine, now=NOW)
    message = found("one")
    assert (message.state, message.claimed_at) == ("sending", theirs[0].claimed_at)


def test_a_worker_killed_while_it_sends_leaves_one_uncertain_message_and_no_second_mail(
    put, sender, found, cluster, committed, mailserver, tmp_path
):
    """`kill -9` between the server's yes and our commit: the server has the mail, we do not know it."""
    for number in range(3):
        put(f"note {number}", {"subject": f"note {number}"})
    reached, killed = threading.Event(), threading.Event()

    def meanwhile():
        reached.set()
        killed.wait(30)

    mailserver.meanwhile = meanwhile
    script = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "settings.OUTBOX_RESOLVERS['note'] = 'tests.outbox.conftest.resolve'\n"
        "import datetime as dt\n"
        "from trialsite.outbox.services import send_due\n"
        "from trialsite.staff.models import system_actor\n"
        f"send_due(actor=system_actor('system.outbox'), now=dt.datetime.fromisoformat('{NOW.isoformat()}'))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "trialsite.settings",
            "DATABASE_URL": cluster.url("edc_app", committed),
            "EMAIL_URL": f"smtp://127.0.0.1:{mailserver.port}",
        },
    )
    assert reached.wait(30)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    killed.set()
    mailserver.meanwhile = lambda: None
    assert len(mailserver.mails) == 1
    assert [found(f"note {number}").state for number in range(3)] == ["sending", "pending", "pending"]
    services.send_due(actor=sender, now=NOW + STALE)
    services.send_due(actor=sender, now=NOW + 2 * STALE)
    assert [found(f"note {number}").state for number in range(3)] == ["uncertain", "sent", "sent"]
    assert [mail["Subject"] for mail in mailserver.sent_to(READER)] == ["note 0", "note 1", "note 2"]
