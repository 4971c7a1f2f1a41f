"""What a reminder says when it leaves, to whom, and why it may not leave any more. Over a real mail server."""

import datetime as dt
import re

import pytest

from tests.conftest import make_person
from tests.visits.conftest import PATIENT, shanghai
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.participants.models import Contact
from trialsite.participants.services import move
from trialsite.protocol import discretion
from trialsite.protocol.meaning import telling
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.models import Membership, User, system_actor
from trialsite.staff.services import end_membership, grant
from visits import services

pytestmark = pytest.mark.django_db

OPENING = "2027-03-24 08:30"
DAY_BEFORE = "2027-03-28 10:00"
APPOINTMENT = "2027-03-29 09:30"


@pytest.fixture
def sent(data):
    """One run of the worker at an instant in Shanghai; (state, answer) of every message, in the order of writing."""
    sender = system_actor("system.outbox")

    def sent(at):
        outbox.send_due(actor=sender, now=shanghai(at))
        with acting(sender):
            return list(Message.objects.order_by("pk").values_list("state", "answer"))

    return sent


@pytest.fixture
def appointed(visit, reachable, book, now_is):
    """The reminder of the day before the appointment is written, and nothing else."""
    book(APPOINTMENT, on="2027-03-28 09:00")
    assert now_is(DAY_BEFORE) == 1


@pytest.fixture
def opening(visit, now_is):
    """The coordinator's reminder that the window is open is written, and nothing else."""
    assert now_is(OPENING) == 1


@pytest.fixture
def subject(definition):
    """The subject of a rule as the protocol words it."""

    def subject(kind, language):
        return next(rule for rule in definition.reminders if rule.kind == kind).subject.to(language)

    return subject


SENT = [("sent", "accepted by the mail server")]


# To the participant ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "hospital"),
    [("zh-hans", "上海市第一人民医院"), ("en", "Shanghai General Hospital")],
)
def test_the_participant_reads_when_and_where_and_whom_to_call(
    appointed, reachable, subject, sent, mailserver, language, hospital
):
    reachable(language=language)
    assert sent(DAY_BEFORE) == SENT
    (mail,) = mailserver.sent_to(PATIENT)
    assert mail["Subject"] == subject("participant_day_before", language).format(date=APPOINTMENT)
    for words in (hospital, APPOINTMENT, "021-0000-0001"):
        assert words in mail.get_content()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("code", ["W1", "SBRT", "W4", "M12"])
@pytest.mark.parametrize("days", [7, 1])
def test_a_message_to_a_participant_tells_no_illness_no_trial_no_arm_and_no_code(
    scheduled, participant, coordinator, reachable, now_is, sent, mailserver, language, code, days
):
    reachable(language=language)
    planned = scheduled(coordinator, participant, code)[code]
    at = dt.datetime.combine(planned.target_on, dt.time(9, 30), shanghai("2027-01-01").tzinfo)
    with clock.pretend(at - dt.timedelta(days=days + 1)):
        services.book(actor=coordinator, visit=planned, at=at)
    before = f"{at - dt.timedelta(days=days):%Y-%m-%d} 10:00"
    now_is(before)
    sent(before)
    (mail,) = mailserver.sent_to(PATIENT)
    version = ProtocolVersion.objects.get(pk=participant.protocol_version_id)
    headers = " ".join(str(value) for name, value in mail.items() if name.lower() != "message-id")
    shown = f"{headers} {mail.get_content()}"
    assert f"{at:%Y-%m-%d %H:%M}" in shown
    assert telling(version.document, shown) == []
    assert participant.code not in shown


@pytest.mark.parametrize(("now", "sends"), [("20:59", True), ("21:00", False), ("23:59", False)])
def test_nothing_reaches_a_participant_at_night(appointed, sent, mailserver, now, sends):
    """The mail server was down from 10:00 on."""
    ((state, _),) = sent(f"2027-03-28 {now}")
    assert (state, len(mailserver.mails)) == (("sent", 1) if sends else ("pending", 0))
    assert sent("2027-03-29 07:59")[0][0] == state
    assert (sent("2027-03-29 08:00"), len(mailserver.mails)) == (SENT, 1)
    # On the morning of the appointment itself: what it says is as true as the day before.
    assert APPOINTMENT in mailserver.mails[0].get_content()


def test_the_night_is_that_of_the_hospital(appointed, loader, sent, visit, mailserver):
    """At 20:00 in Shanghai it is 22:00 in Sydney (daylight saving lasts until April)."""
    with acting(loader):
        Site.objects.filter(pk=visit.site_id).update(timezone="Australia/Sydney")
    sent("2027-03-28 20:00")
    assert mailserver.mails == []


def test_a_coordinator_reads_mail_at_any_hour(opening, sent):
    assert sent("2027-03-24 23:00") == SENT


def test_who_opts_out_after_the_planning_gets_nothing(appointed, reachable, sent, mailserver):
    reachable(opted_out=True)
    assert sent(DAY_BEFORE) == [("cancelled", "the participant wants no messages")]
    assert mailserver.mails == []


def test_a_reminder_without_an_address_is_cancelled_and_says_so(appointed, reachable, sent):
    reachable(email="", phone="")
    assert sent(DAY_BEFORE) == [("cancelled", "no address is known")]


def test_a_reminder_goes_to_the_address_of_the_moment(appointed, reachable, sent, mailserver):
    reachable(email="new@patients.example")
    sent(DAY_BEFORE)
    assert mailserver.envelopes == [["new@patients.example"]]


@pytest.mark.parametrize("status", ["withdrawn", "dead"])
def test_who_dies_or_withdraws_after_the_planning_gets_nothing(
    appointed, participant, coordinator, sent, mailserver, status
):
    move(actor=coordinator, participant=participant, to=status)
    assert sent(DAY_BEFORE) == [("cancelled", "the participant has left the trial")]
    assert mailserver.mails == []


@pytest.mark.parametrize(
    ("end", "answer"),
    [
        ("dead", "the participant has left the trial"),
        ("withdrawn", "the participant has left the trial"),
        ("opted out", "the participant wants no messages"),
        ("moved", "the appointment has moved"),
    ],
)
def test_what_happens_between_claim_and_sending_is_read_again_after_the_claim(
    appointed, participant, coordinator, reachable, book, mailserver, end, answer
):
    sender = system_actor("system.outbox")
    (message,) = outbox.claim(actor=sender, now=shanghai(DAY_BEFORE))
    if end == "opted out":
        reachable(opted_out=True)
    elif end == "moved":
        book("2027-03-29 14:00", on="2027-03-28 10:01")
    else:
        move(actor=coordinator, participant=participant, to=end)
    assert outbox.deliver(actor=sender, message=message, now=shanghai(DAY_BEFORE)) == "cancelled"
    with acting(sender):
        assert Message.objects.get(pk=message.pk).answer == answer
    assert mailserver.mails == []


def test_the_reminder_of_an_appointment_that_has_moved_is_cancelled_and_the_new_one_leaves(
    appointed, book, now_is, sent, mailserver
):
    book("2027-03-29 14:00", on="2027-03-28 10:01")
    assert now_is("2027-03-28 10:02") == 1
    assert sent("2027-03-28 10:03") == [("cancelled", "the appointment has moved"), *SENT]
    (mail,) = mailserver.sent_to(PATIENT)
    assert "2027-03-29 14:00" in mail.get_content()


def test_until_the_appointment_its_reminder_is_of_use(appointed, sent):
    assert sent("2027-03-29 09:29") == SENT


def test_from_the_appointment_on_its_reminder_is_past(appointed, sent):
    assert sent(APPOINTMENT) == [("cancelled", "what it says is past, or a later reminder says it")]


def test_of_two_reminders_that_waited_only_the_later_leaves(
    visit, reachable, book, now_is, sent, subject, mailserver
):
    """The mail server was down for six days."""
    book(APPOINTMENT)
    assert [now_is("2027-03-22 10:00"), now_is(DAY_BEFORE)] == [1, 1]
    assert sent(DAY_BEFORE) == [
        ("cancelled", "what it says is past, or a later reminder says it"),
        *SENT,
    ]
    (mail,) = mailserver.mails
    assert mail["Subject"] == subject("participant_day_before", "zh-hans").format(date=APPOINTMENT)


def test_who_prefers_texts_gets_the_text_on_the_telephone_and_no_mail(
    appointed, reachable, sent, mailserver, smsserver
):
    reachable(channel="sms", phone="138-0000-0001")
    assert sent(DAY_BEFORE) == [("sent", "accepted by the SMS provider")]
    (text,) = smsserver.texts
    assert text["to"] == "13800000001"
    assert APPOINTMENT in text["text"]
    assert mailserver.mails == []


def test_the_channel_is_the_one_preferred_when_the_message_leaves(
    appointed, reachable, sent, mailserver, smsserver, planner
):
    reachable(channel="sms", phone="138-0000-0001")
    reachable(channel="email")
    sent(DAY_BEFORE)
    assert (len(mailserver.mails), smsserver.texts) == (1, [])
    with acting(planner):
        assert (Message.objects.get().channel, Message.objects.get().via) == ("preferred", "email")


@pytest.mark.parametrize("lacking", [{"phone": ""}, {"phone": "138-0000-0001"}])
def test_where_the_preferred_way_is_closed_the_other_is_taken(
    appointed, reachable, sent, mailserver, settings, lacking
):
    """No telephone is known, or no provider of texts is configured."""
    settings.SMS_URL = ""
    reachable(channel="sms", **lacking)
    assert sent(DAY_BEFORE) == SENT
    assert len(mailserver.sent_to(PATIENT)) == 1


def test_with_a_telephone_alone_and_no_provider_a_person_is_told(appointed, reachable, sent, settings):
    settings.SMS_URL = ""
    reachable(channel="sms", phone="138-0000-0001", email="")
    assert sent(DAY_BEFORE) == [("failed", "no SMS provider is configured")]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("site", ["SHGH", "SMU3", "PKUPH"])
def test_no_text_to_participants_tells_by_the_protocols_own_vocabulary(definition, language, site):
    """Each rule for participants, in each language, with each hospital's name and telephone."""
    version = ProtocolVersion.objects.latest("pk")
    hospital = next(one for one in definition.sites if one.code == site)
    words = {"hospital": hospital.name.to(language), "phone": hospital.phone, "date": APPOINTMENT}
    rules = [rule for rule in definition.reminders if rule.audience == "participant"]
    assert len(rules) == 2
    for rule in rules:
        for text in (rule.subject, rule.body):
            said = text.to(language).format(**words)
            assert telling(version.document, said) == []
            # A message that waited for the morning, or for a server, arrives on another day than it was planned for.
            assert not re.search("tomorrow|today|tonight|明天|明日|今天|今日|后天", said, re.IGNORECASE)


@pytest.mark.parametrize(
    "words",
    [
        "Your TRIAL visit",
        "Please come to oncology",
        "after your Surgery",
        "NCT06756087",
        "RFA_PVP_SBRT",
        "your M3 is due",
        "01-001",
        "https://hospital.example/m/7",
        "您的试验",
        "肿瘤科",
        "骨科门诊",
        "放疗后",
        "第 3 次随访",
    ],
)
def test_the_vocabulary_finds_what_tells(definition, words):
    version = ProtocolVersion.objects.latest("pk")
    assert telling(version.document, words)


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        ({}, "ok"),
        ({"DEFAULT_FROM_EMAIL": "trialsite@localhost"}, "MAIL_FROM tells 'trial'"),
        ({"DEFAULT_FROM_EMAIL": "肿瘤科 <a@hospital.example>"}, "MAIL_FROM tells '瘤', '肿'"),
        ({"SMS_SENDER": "SBRT"}, "SMS_SENDER tells 'SBRT'"),
    ],
)
def test_a_sender_that_tells_keeps_the_server_from_starting(data, settings, sender, said):
    assert "trialsite.protocol.discretion.ready" in settings.READINESS.values()
    for name, value in sender.items():
        setattr(settings, name, value)
    assert sorted(discretion.ready().split("'")) == sorted(said.split("'"))


# To staff -------------------------------------------------------------------------------------------------------


def test_a_coordinator_reads_code_visit_and_date_in_the_own_language(
    opening, coordinator, sent, mailserver, visit
):
    assert sent(OPENING) == SENT
    (mail,) = mailserver.sent_to(coordinator.email)
    assert mail["Subject"] == "01-001 Week 4: window open"
    assert "2027-03-24" in mail.get_content()


@pytest.mark.parametrize("settle", ["attend", "miss", "stop"])
def test_a_visit_settled_after_the_planning_reminds_nobody(
    opening, visit, participant, coordinator, sent, mailserver, settle
):
    with clock.pretend(shanghai(OPENING)):
        if settle == "attend":
            services.attend(actor=coordinator, visit=visit, on=visit.opens_on)
        elif settle == "miss":
            services.miss(actor=coordinator, visit=visit, reason="No answer.")
        else:
            services.stop(actor=coordinator, participant=participant, after=visit.opens_on, reason="withdraw")
    assert sent(OPENING) == [("cancelled", "the visit is settled")]
    assert mailserver.mails == []


def test_a_visit_booked_after_the_planning_needs_no_booking_any_more(opening, book, sent):
    book(APPOINTMENT, on=OPENING)
    assert sent(OPENING) == [("cancelled", "what it says is past, or a later reminder says it")]


def test_after_the_close_nobody_is_told_that_the_window_is_open(opening, sent):
    assert sent("2027-04-04 00:00") == [("cancelled", "what it says is past, or a later reminder says it")]


def test_whose_role_has_ended_since_is_not_told(opening, coordinator, loader, sent, mailserver):
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    assert sent(OPENING) == [("cancelled", "the recipient no longer has this role")]
    assert mailserver.mails == []


def test_a_coordinator_who_moved_to_another_hospital_is_not_told(
    opening, coordinator, loader, sent, site_b, mailserver
):
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    grant(actor=loader, user=coordinator, role="coordinator", site=site_b, reason="more to do")
    assert sent(OPENING) == [("cancelled", "the recipient no longer has this role")]


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}])
def test_whose_account_was_closed_since_is_not_told(opening, coordinator, loader, sent, change):
    with acting(loader):
        User.objects.filter(pk=coordinator.pk).update(**change)
    assert sent(OPENING) == [("cancelled", "the recipient has no active account")]


def test_overdue_the_pi_and_the_manager_are_told_in_their_language(visit, now_is, sent, mailserver, site_a):
    pi = make_person("pi", site_a, language="zh-hans")
    manager = make_person("trial_manager")
    now_is("2027-04-10 08:30")
    assert sent("2027-04-10 08:30") == SENT * 2
    assert mailserver.sent_to(pi.email)[0]["Subject"] == "01-001 第 4 周：已超窗"
    assert "Shanghai General Hospital" in mailserver.sent_to(manager.email)[0].get_content()


def test_the_outbox_reads_addresses_that_other_hospitals_never_see(
    appointed, sent, coordinator_b, assessor, coordinator
):
    sent(DAY_BEFORE)
    for actor in (coordinator_b, assessor):
        with acting(actor):
            assert not Contact.objects.exists()
            assert not Message.objects.exists()
    with acting(coordinator):
        assert PATIENT not in str(list(Message.objects.values()))


def test_who_refuses_reminders_after_the_planning_gets_none_and_before_it_none_is_written(
    opening, coordinator, sent, mailserver, now_is, planned, site_a
):
    outbox.set_preference(actor=coordinator, kind="visit", wanted=False)
    assert sent(OPENING) == [("cancelled", "the recipient wants no messages of this kind")]
    assert now_is("2027-03-31 08:30") == 0
    # Where all who hold the role refuse, the next role hears it instead: a refusal loses no reminder.
    head = make_person("pi", site_a)
    assert now_is("2027-03-31 08:30") == 1
    assert planned()[-1] == ("coordinator_closing", f"user:{head.pk}")
    outbox.set_preference(actor=coordinator, kind="visit", wanted=True)
    assert now_is("2027-03-31 08:30") == 1
    assert planned()[-1] == ("coordinator_closing", f"user:{coordinator.pk}")


def test_an_assessor_is_never_told_of_a_visit_that_reveals_the_arm(
    visit, scheduled, participant, coordinator, now_is, planned, sent, loader, mailserver
):
    """A coordinator who became an assessor between planning and sending; both rows say `coordinator`."""
    sbrt = scheduled(coordinator, participant, "SBRT")["SBRT"]
    at = f"{sbrt.opens_on} 08:30"
    assert now_is(at) >= 1
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    grant(actor=loader, user=coordinator, role="assessor", site=visit.site, reason="more to do")
    assert {state for state, _ in sent(at)} == {"cancelled"}
    assert mailserver.mails == []
