"""Queries without an answer: told weekly to the coordinators, later to the PI, then to the managers; codes alone."""

import datetime as dt

import pytest

from tests.casebook.test_review import PAIN, operated, record, save  # noqa: F401
from tests.conftest import make_person
from tests.outbox.mailserver import mailserver as mailserver
from tests.visits.conftest import shanghai
from trialsite.audit.context import acting
from trialsite.casebook import querying, reminders
from trialsite.casebook.models import Query
from trialsite.core import clock
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.staff.models import Membership, system_actor
from trialsite.staff.services import end_membership

pytestmark = pytest.mark.django_db

# A Monday. Days after it are days without an answer.
ASKED = shanghai("2027-03-01 16:00")


def at(days, time="07:30"):
    return shanghai(f"{(ASKED + dt.timedelta(days=days)).date()} {time}")


@pytest.fixture
def monitor(person):
    return person("monitor")


@pytest.fixture
def query(record, monitor):  # noqa: F811
    with clock.pretend(ASKED):
        made = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    with acting(monitor):
        Query.objects.filter(pk=made.pk).update(created_at=ASKED)
        made.refresh_from_db()
    return made


@pytest.fixture
def plan(data):
    return lambda now: reminders.plan(actor=system_actor("system.reminders"), now=now)


@pytest.fixture
def sent(data):
    """One run of the worker; (state, answer, recipient) of every reminder of queries."""
    sender = system_actor("system.outbox")

    def sent(now):
        outbox.send_due(actor=sender, now=now)
        with acting(sender):
            rows = Message.objects.filter(kind="query").order_by("pk")
            return [(row.state, row.answer, row.recipient) for row in rows]

    return sent


def test_from_the_seventh_day_the_coordinators_are_told_once_a_week(
    query, coordinator, coordinator_b, plan, sent, mailserver
):
    assert [plan(at(6, "23:59")), plan(at(7, "07:29"))] == [0, 0]
    assert [plan(at(7)), plan(at(7)), plan(at(13, "23:59"))] == [1, 0, 0]
    assert plan(at(14)) == 1, "the next week, as long as it waits"
    assert [state for state, _, _ in sent(at(14))] == ["cancelled", "sent"]
    (mail,) = mailserver.sent_to(coordinator.email)
    assert mail["Subject"] == "Queries wait for an answer: Shanghai General Hospital"
    text = mail.get_content()
    assert "7 days or longer for an answer: 1" in text
    assert "01-001: 1" in text
    for telling in ("chart", "worst", "pain", "8"):
        assert telling not in text.replace("01-001", "")
    assert mailserver.sent_to(coordinator_b.email) == []


def test_later_the_principal_investigator_and_then_the_managers_are_told(query, site_a, coordinator, plan):
    pi, manager = make_person("pi", site_a), make_person("trial_manager")
    told = {days: plan(at(days)) for days in (7, 13, 14, 21, 27, 28)}
    assert told == {7: 1, 13: 0, 14: 2, 21: 2, 27: 0, 28: 3}
    with acting(system_actor("system.outbox")):
        rows = Message.objects.filter(kind="query", payload__week=str(at(28).date()))
        days = {row.recipient: row.payload["days"] for row in rows}
    assert days == {f"user:{coordinator.pk}": 7, f"user:{pi.pk}": 14, f"user:{manager.pk}": 28}


def test_where_the_coordinators_refuse_the_investigator_in_chief_hears_of_it_at_their_time(
    query, site_a, coordinator, plan
):
    pi = make_person("pi", site_a)
    outbox.set_preference(actor=coordinator, kind="query", wanted=False)
    assert plan(at(7)) == 1
    with acting(system_actor("system.outbox")):
        (message,) = Message.objects.filter(kind="query")
    assert (message.recipient, message.payload["days"]) == (f"user:{pi.pk}", 7)


def test_what_was_answered_is_not_told_and_what_is_asked_again_waits_anew(
    query, monitor, coordinator, plan, sent
):
    assert plan(at(7)) == 1
    with clock.pretend(at(7, "07:31")):
        querying.answer_query(actor=coordinator, query=query, text="Of the day before.")
    assert [(state, answer) for state, answer, _ in sent(at(7, "07:32"))] == [
        ("cancelled", "nothing is due any more")
    ]
    assert plan(at(14)) == 0
    with clock.pretend(at(15)):
        querying.reopen_query(actor=monitor, query=query, text="Please add the date.")
    with acting(monitor):
        assert not Query.objects.waiting_since(at(15)).exists()
    assert plan(at(21)) == 0, "asked again six days ago"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ("role", "the recipient no longer has this role"),
        ("refused", "the recipient wants no messages of this kind"),
    ],
)
def test_the_reader_is_read_again_when_it_leaves(query, coordinator, loader, plan, sent, change, answer):
    plan(at(7))
    if change == "role":
        end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    else:
        outbox.set_preference(actor=coordinator, kind="query", wanted=False)
    assert [told[:2] for told in sent(at(7))] == [("cancelled", answer)]


def test_in_chinese_and_not_a_week_late(query, site_a, plan, sent, mailserver):
    reader = make_person("coordinator", site_a, language="zh-hans")
    plan(at(7))
    sent(at(7))
    (mail,) = mailserver.sent_to(reader.email)
    assert mail["Subject"].strip() == "质疑待答复：上海市第一人民医院"
    assert "按受试者：01-001: 1" in mail.get_content()
    plan(at(14))
    assert sent(at(21, "00:00"))[-1][:2] == ("cancelled", "its week is over")
