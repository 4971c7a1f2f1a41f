"""The coordinators' digest: one mail per person and day, codes alone, nothing when nothing is due."""

import datetime as dt

import pytest

from tests.conftest import make_person
from tests.path import walk
from tests.visits.conftest import shanghai
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.participants.services import move
from trialsite.sites.models import Site
from trialsite.staff.models import Membership, system_actor
from trialsite.staff.services import end_membership, grant
from visits import services
from visits.digest import plan_digests

pytestmark = pytest.mark.django_db

# W4's window is from 24 March to 3 April 2027.
MORNING = "2027-03-24 07:30"


@pytest.fixture
def digests(planner):
    """Plans the digests of an instant in Shanghai; how many were new."""

    def digests(text):
        return plan_digests(actor=planner, now=shanghai(text))

    return digests


@pytest.fixture
def sent(data):
    """One run of the worker at an instant in Shanghai; (state, answer) of every message."""
    sender = system_actor("system.outbox")

    def sent(at):
        outbox.send_due(actor=sender, now=shanghai(at))
        with acting(sender):
            return list(Message.objects.order_by("pk").values_list("state", "answer"))

    return sent


def test_in_the_morning_each_coordinator_has_one_mail_and_no_second(
    visit, coordinator, digests, sent, mailserver
):
    assert [digests("2027-03-24 07:29"), digests(MORNING), digests(MORNING)] == [0, 1, 0]
    sent(MORNING)
    assert [digests("2027-03-24 12:00"), digests("2027-03-25 07:30")] == [0, 1]
    (mail,) = mailserver.sent_to(coordinator.email)
    assert mail["Subject"] == "What is due on 2027-03-24"
    text = mail.get_content()
    assert "Shanghai General Hospital" in text
    assert "window open: 1 (01-001 W4)" in text
    assert "to be booked: 1 (01-001 W4)" in text


@pytest.mark.parametrize(
    ("day", "line"),
    [
        ("2027-03-20", "to be booked: 1"),
        ("2027-03-31", "closing within 3 days: 1"),
        ("2027-04-04", "overdue: 1"),
    ],
)
def test_it_tells_how_pressing_each_is(visit, digests, sent, mailserver, day, line):
    digests(f"{day} 07:30")
    sent(f"{day} 07:30")
    (mail,) = mailserver.mails
    assert line in mail.get_content()


def test_in_chinese_for_who_reads_chinese(visit, digests, sent, mailserver, site_a):
    reader = make_person("coordinator", site_a, language="zh-hans")
    digests(MORNING)
    sent(MORNING)
    (mail,) = mailserver.sent_to(reader.email)
    assert mail["Subject"] == "2027-03-24 待办事项"
    assert "01-001 W4" in mail.get_content()


def test_where_nothing_is_due_no_mail_is_written(visit, coordinator, digests, book):
    assert digests("2027-03-09 07:30") == 0, "opens in 15 days"
    book("2027-03-29 09:30", on="2027-03-09 12:00")
    assert digests("2027-03-20 07:30") == 0, "booked, and not open yet"
    assert digests(MORNING) == 1


def test_what_was_settled_since_is_not_told(visit, coordinator, digests, sent, mailserver):
    digests(MORNING)
    with clock.pretend(shanghai("2027-03-24 07:31")):
        services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24))
    assert sent("2027-03-24 07:32") == [("cancelled", "nothing is due any more")]
    assert mailserver.mails == []


def test_yesterdays_digest_does_not_leave_today(visit, digests, sent, mailserver):
    digests(MORNING)
    assert sent("2027-03-25 00:00") == [("cancelled", "its day is over")]
    assert mailserver.mails == []


@pytest.mark.parametrize("status", ["withdrawn", "dead"])
def test_of_who_has_left_nothing_is_told(visit, participant, coordinator, digests, status):
    move(actor=coordinator, participant=participant, to=status)
    assert digests(MORNING) == 0


def test_whose_role_has_ended_is_not_told(visit, coordinator, loader, digests, sent, mailserver):
    digests(MORNING)
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    assert sent(MORNING) == [("cancelled", "the recipient no longer has this role")]
    assert digests("2027-03-25 07:30") == 0


def test_who_wants_none_gets_none(visit, coordinator, digests, sent):
    digests(MORNING)
    outbox.set_preference(actor=coordinator, kind="digest", wanted=False)
    assert sent(MORNING) == [("cancelled", "the recipient wants no messages of this kind")]
    assert digests("2027-03-25 07:30") == 0


def test_another_hospitals_visits_are_not_told(visit, digests, coordinator_b, sent, mailserver):
    digests(MORNING)
    sent(MORNING)
    assert mailserver.sent_to(coordinator_b.email) == []


def test_a_coordinator_of_two_hospitals_has_one_mail_about_both(
    visit, coordinator, loader, site_b, scheduled, investigator, digests, sent, mailserver
):
    grant(actor=loader, user=coordinator, role="coordinator", site=site_b, reason="more to do")
    coordinator.__dict__.pop("_current_memberships", None)
    other = walk("registered", site=site_b, coordinator=coordinator, investigator=investigator)
    scheduled(coordinator, other, "W4")
    assert digests(MORNING) == 1
    sent(MORNING)
    (mail,) = mailserver.sent_to(coordinator.email)
    text = mail.get_content()
    assert text.index("01-001 W4") < text.index("Third Affiliated") < text.index("02-001 W4")


def test_the_morning_is_that_of_the_hospital(visit, digests, loader):
    with acting(loader):
        Site.objects.filter(pk=visit.site_id).update(timezone="Australia/Sydney")
    assert digests("2027-03-24 04:29") == 0
    assert digests("2027-03-24 04:30") == 1, "07:30 in Sydney, daylight saving"


def test_pis_and_managers_have_none(visit, site_a, digests, coordinator):
    make_person("pi", site_a)
    make_person("trial_manager")
    assert digests(MORNING) == 1
