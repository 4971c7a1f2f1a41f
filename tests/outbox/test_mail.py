"""What goes over the wire, with hostile texts and addresses, and what of the server's words is kept."""

import re
import time

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.outbox.conftest import READER
from trialsite.outbox.mail import message_id, send, session
from trialsite.outbox.resolvers import Failed, Send, Sent
from trialsite.outbox.rules import without_address

OURS = {
    "content-type",
    "mime-version",
    "content-transfer-encoding",
    "subject",
    "from",
    "to",
    "date",
    "message-id",
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
HOSTILE = st.text("ab@.,<>()\"'\\ \r\n:;\0é例%=?", max_size=30)
# Nonsense, and an address with a little nonsense about it.
ADDRESSES = st.one_of(
    HOSTILE,
    st.builds("{}reader@{}example{}".format, *(st.text('ab@.,<>" \r\né例', max_size=2) for _ in "123")),
)
SMUGGLED = "good\r\n.\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<z@y.example>\r\nDATA\r\n.\r\nend"

one_server = hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    "subject",
    [
        "Hello\nBcc: a@evil.example",
        "Hello\r\n\r\nbody",
        "a\rTo: b@evil.example",
        "Hello\x0cBcc: a@evil.example",
        "0\x0c0",
        "0\x0b",
    ],
)
def test_a_subject_cannot_add_a_header(mailserver, subject):
    assert isinstance(send("one", Send(READER, subject, "text")), Failed)
    assert mailserver.mails == []


@pytest.mark.parametrize(
    "to",
    [
        "",
        " ",
        "nobody",
        "@",
        "a@b.example\nBcc: c@evil.example",
        "a@b.example\r\nRCPT TO:<c@evil.example>",
        "a@b.example, c@evil.example",
        "a@b.example; c@evil.example",
        "a@b.example> <c@evil.example",
        "a@" + "b" * 70 + ".example" + "é",
    ],
)
def test_what_is_no_address_fails_for_good_and_reaches_nobody(mailserver, to):
    assert isinstance(send("one", Send(to, "subject", "text")), Failed)
    assert mailserver.envelopes == []


@one_server
@given(subject=TEXT.filter(lambda text: text.splitlines() in ([], [text])), body=TEXT)
@example(subject="=?utf-8?q?x?=", body=SMUGGLED)
@example(subject="x " * 500, body="y" * 5000)
@example(subject="", body="")
@example(subject="约定", body=".\r\n..\r\n.")
def test_any_text_arrives_as_one_mail_to_one_reader_with_our_headers_only(mailserver, subject, body):
    before = len(mailserver.mails)
    assert isinstance(send("one", Send(READER, subject, body)), Sent)
    assert len(mailserver.mails) == before + 1
    mail = mailserver.mails[-1]
    assert mailserver.envelopes[-1] == [READER]
    assert {name.lower() for name in mail} == OURS
    assert mail["Message-ID"] == message_id("one")
    assert mail["To"] == READER
    assert not mail.is_multipart()


@pytest.mark.parametrize("body", [SMUGGLED, "明天 09:30 见。\n电话：021-1", ".", "line\n.\nline"])
def test_the_text_arrives_as_it_was_written(mailserver, body):
    send("one", Send(READER, "subject", body))
    lines = mailserver.mails[0].get_content().splitlines()
    assert lines == body.splitlines()


@one_server
@given(to=ADDRESSES, subject=HOSTILE, body=HOSTILE)
@example(to="\udc80@b.example", subject="s", body="b")
@example(to="a@b.example", subject="\udc80", body="b")
@example(to="a@b.example", subject="s", body="\udc80")
@example(to="(", subject="s", body="b")
@example(to="a@[", subject="s", body="b")
@example(to="a@xn--\u0378.example", subject="s", body="b")
def test_no_input_makes_the_channel_raise_or_reach_two(mailserver, to, subject, body):
    before = len(mailserver.mails)
    report = send("one", Send(to, subject, body))
    assert isinstance(report, Sent | Failed)
    arrived = mailserver.envelopes[before:]
    assert len(arrived) == isinstance(report, Sent)
    assert all(len(recipients) == 1 for recipients in arrived)


def test_the_id_of_a_mail_follows_from_its_key_and_tells_nothing():
    assert message_id("visit:7:opening:1:participant:3:email") == message_id(
        "visit:7:opening:1:participant:3:email"
    )
    assert message_id("a") != message_id("b")
    assert not re.search("visit|participant|trial", message_id("visit:7:opening:1:participant:3:email"))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("550 5.1.1 <wang.li@mail.example>: no such user", "550 5.1.1 <…>: no such user"),
        ("550 wang.li@mail.example, gone", "550 …, gone"),
        ('550 "wang li"@mail.example is unknown', "550 … is unknown"),
        ("550 WANG.LI@MAIL.EXAMPLE is unknown", "550 … is unknown"),
        ("550 王丽@邮件.example 不存在", "550 … 不存在"),
        ("550 no mailbox wang.li here", "550 no mailbox … here"),
        ("550 [Wang.Li] over quota", "550 […] over quota"),
        ("450 wang.liu has moved", "450 wang.liu has moved"),
        ("451 busy\r\nwait\x00\x1b[31m", "451 busy wait [31m"),
    ],
)
def test_a_kept_answer_names_no_address(said, kept):
    assert without_address(said, "wang.li@mail.example") == kept


@given(
    local=st.from_regex(r"[a-z0-9._+-]{1,20}", fullmatch=True),
    domain=st.from_regex(r"[a-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True),
    before=st.sampled_from(["", "<", "(", "550 ", "rfc822;", "'", '"', "to=", "：", "[", "mailto:"]),
    after=st.sampled_from(["", ">", ")", " no", ";", "'", '"', ".", "。", "]", ":"]),
)
def test_whatever_stands_around_an_address_it_is_not_kept(local, domain, before, after):
    answer = f"{before}{local}@{domain}{after}"
    for to in ("", f"{local}@{domain}"):
        assert "@" not in without_address(answer, to)
        assert domain not in without_address(answer, to)


@given(TEXT)
def test_a_kept_answer_is_short_and_printable(said):
    kept = without_address(said * 20, READER)
    assert len(kept) <= 300
    assert kept.isprintable()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "words", [f"550 <{READER}> unknown", f"451 4.2.1 {READER} busy", "550 mailbox reader unknown"]
)
def test_neither_the_message_nor_its_trail_keep_the_address(put, run, found, mailserver, auditor, words):
    from trialsite.audit.context import acting
    from trialsite.audit.models import Event

    put("one")
    mailserver.answers["RCPT"] = words
    run()
    message = found("one")
    assert message.answer.startswith(words[:3])
    assert "reader" not in message.answer
    with acting(auditor):
        trail = str(list(Event.objects.filter(table_name="outbox_message").values_list("changes", flat=True)))
    assert words[:3] in trail
    assert "reader" not in trail


def test_the_mails_of_a_run_share_one_line_and_a_line_that_was_closed_meanwhile_is_opened_anew(mailserver):
    with session():
        for number in range(3):
            assert isinstance(send(f"key-{number}", Send(READER, "subject", "text")), Sent)
        assert mailserver.greeted == 1
        mailserver.hang_up()
        time.sleep(0.1)
        assert isinstance(send("key-3", Send(READER, "subject", "text")), Sent)
    assert mailserver.greeted == 2
    assert [mail["Message-ID"] for mail in mailserver.mails] == [message_id(f"key-{n}") for n in range(4)]
    send("key-4", Send(READER, "subject", "text"))
    assert mailserver.greeted == 3, "without a run each mail has its own line"


def test_a_refused_mail_leaves_no_line_behind_on_which_the_next_could_go_wrong(mailserver):
    with session():
        mailserver.answers["RCPT"] = "550 unknown"
        assert isinstance(send("refused", Send(READER, "subject", "text")), Failed)
        mailserver.answers.clear()
        assert isinstance(send("next", Send(READER, "subject", "text")), Sent)
    assert mailserver.greeted == 2
    assert len(mailserver.mails) == 1


def test_a_line_carries_a_hundred_mails_at_most(mailserver):
    with session():
        for number in range(101):
            assert isinstance(send(f"key-{number}", Send(READER, "subject", "text")), Sent)
    assert (mailserver.greeted, len(mailserver.mails)) == (2, 101)
