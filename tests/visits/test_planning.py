"""Who is told what of a visit, once, by however many planners."""

import datetime as dt
import threading

import pytest
from django.db import connections
from django.test import Client

from tests.conftest import make_person
from tests.participants.amendment import amended
from tests.path import walk
from tests.visits.conftest import ANCHOR, shanghai
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Forbidden
from trialsite.outbox.models import Message
from trialsite.participants.services import move
from trialsite.sites.models import Site
from trialsite.staff.models import Membership, User
from trialsite.staff.services import end_membership, grant
from visits import services

# W4's window is from 24 March to 3 April 2027.
OPENING = "2027-03-24 08:30"
OVERDUE = "2027-04-04 08:30"
WEEK_LATE = "2027-04-10 08:30"


@pytest.mark.django_db
def test_a_reminder_is_written_at_its_moment_and_never_again(visit, coordinator, now_is, planned):
    assert now_is("2027-03-24 08:29") == 1, "the one from two weeks before"
    assert now_is(OPENING) == 1
    assert [now_is(OPENING), now_is("2027-03-24 08:31"), now_is("2027-03-30 23:00")] == [0, 0, 0]
    to = f"user:{coordinator.pk}"
    assert planned() == [("coordinator_before_opening", to), ("coordinator_opening", to)]


@pytest.mark.django_db
def test_moments_that_have_passed_meanwhile_are_one_message_the_latest(visit, coordinator, now_is, planned):
    """The planner stood still from before the first reminder to the day before the close."""
    assert now_is("2027-04-02 12:00") == 1
    assert planned() == [("coordinator_closing", f"user:{coordinator.pk}")]


@pytest.mark.django_db
def test_a_participant_booked_at_short_notice_gets_one_reminder(visit, reachable, book, now_is, planned):
    book("2027-03-26 09:30", on="2027-03-25 15:00")
    assert now_is("2027-03-25 15:01") == 1
    assert planned() == [("participant_day_before", f"participant:{visit.participant_id}")]


@pytest.mark.django_db
def test_of_a_booked_visit_nobody_is_asked_to_book(visit, reachable, book, now_is, planned):
    book("2027-03-29 09:30")
    assert [now_is("2027-03-10 08:30"), now_is("2027-03-21 12:00")] == [0, 0]
    now_is("2027-03-22 10:00")
    now_is(OPENING)
    now_is("2027-03-28 10:00")
    to = f"participant:{visit.participant_id}"
    assert planned() == [("participant_week_before", to), ("participant_day_before", to)]


@pytest.mark.django_db
def test_a_moved_appointment_is_told_anew(visit, reachable, book, now_is, planned):
    book("2027-03-25 09:30")
    assert now_is("2027-03-18 10:00") == 1
    book("2027-03-29 09:30", on="2027-03-18 11:00")
    assert now_is("2027-03-18 11:01") == 0, "its week before begins on the 22nd"
    assert now_is("2027-03-22 10:00") == 1
    assert [kind for kind, _ in planned()] == ["participant_week_before"] * 2


@pytest.mark.django_db
def test_an_appointment_moved_within_the_same_week_is_told_at_once(visit, reachable, book, now_is, planned):
    book("2027-03-25 09:30")
    now_is("2027-03-18 10:00")
    book("2027-03-24 09:30", on="2027-03-18 11:00")
    assert now_is("2027-03-18 11:01") == 1
    assert len(planned()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["withdrawn", "dead"])
def test_of_who_has_died_or_withdrawn_nobody_hears(
    visit, participant, coordinator, reachable, book, now_is, status
):
    book("2027-03-29 09:30")
    make_person("pi", participant.site)
    make_person("trial_manager")
    move(actor=coordinator, participant=participant, to=status)
    assert [now_is(at) for at in ("2027-03-28 10:00", "2027-04-02 09:00", OVERDUE, WEEK_LATE)] == [0] * 4


@pytest.mark.django_db
def test_who_wants_no_messages_gets_none_and_the_hospital_is_told_as_ever(
    visit, reachable, book, now_is, planned, coordinator
):
    reachable(opted_out=True)
    book("2027-03-29 09:30")
    assert now_is("2027-03-28 10:00") == 0
    assert now_is("2027-03-31 08:30") == 1
    assert planned() == [("coordinator_closing", f"user:{coordinator.pk}")]


@pytest.mark.django_db
def test_without_contact_details_no_message_is_written_for_the_participant(visit, book, now_is):
    book("2027-03-29 09:30")
    assert now_is("2027-03-28 10:00") == 0


@pytest.mark.django_db
@pytest.mark.parametrize("settle", ["attend", "miss", "stop"])
def test_of_a_settled_visit_nobody_hears(visit, participant, coordinator, now_is, settle):
    make_person("pi", participant.site)
    act = {
        "attend": lambda: services.attend(actor=coordinator, visit=visit, on=dt.date(2027, 3, 24)),
        "miss": lambda: services.miss(actor=coordinator, visit=visit, reason="No answer."),
        "stop": lambda: services.stop(
            actor=coordinator, participant=participant, after=dt.date(2027, 3, 24), reason="withdraw"
        ),
    }[settle]
    with clock.pretend(shanghai("2027-03-24 08:00")):
        act()
    assert [now_is(OPENING), now_is(OVERDUE), now_is(WEEK_LATE)] == [0, 0, 0]


@pytest.mark.django_db
def test_an_overdue_visit_reaches_its_pi_and_then_the_trials_managers(
    visit, participant, site_b, coordinator, now_is, planned
):
    pi, manager = make_person("pi", participant.site), make_person("trial_manager")
    make_person("pi", site_b)
    assert now_is("2027-04-04 08:29") == 0
    assert [now_is(OVERDUE), now_is(WEEK_LATE)] == [1, 1]
    assert planned() == [("pi_overdue", f"user:{pi.pk}"), ("manager_overdue", f"user:{manager.pk}")]


@pytest.mark.django_db
def test_a_reminder_reaches_the_coordinators_of_its_hospital_and_no_other(
    visit, coordinator, coordinator_b, now_is, planned, site_a
):
    second = make_person("coordinator", site_a)
    now_is(OPENING)
    assert {to for _, to in planned()} == {f"user:{coordinator.pk}", f"user:{second.pk}"}


@pytest.mark.django_db
def test_a_coordinator_of_all_hospitals_or_of_two_roles_is_told_once(visit, coordinator, now_is, loader):
    grant(actor=loader, user=coordinator, role="coordinator", site=None, reason="more to do")
    grant(actor=loader, user=coordinator, role="investigator", site=visit.site, reason="more to do")
    assert now_is(OPENING) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}])
def test_who_has_no_account_or_no_address_is_not_told(visit, coordinator, loader, now_is, change):
    with acting(loader):
        User.objects.filter(pk=coordinator.pk).update(**change)
    assert now_is(OPENING) == 0


@pytest.mark.django_db
def test_a_role_that_has_ended_or_not_begun_is_not_told_and_a_program_never(
    visit, coordinator, loader, site_a, now_is
):
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    make_person("coordinator", site_a, kind="machine")
    with acting(loader):
        Membership.objects.create(
            user=coordinator,
            role="coordinator",
            site_id=site_a.pk,
            starts_at=clock.now() + dt.timedelta(days=1),
        )
    assert now_is(OPENING) == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "early", "due"),
    [
        ("Asia/Urumqi", "2027-03-24 10:29", "2027-03-24 10:30"),
        ("Pacific/Kiritimati", "2027-03-24 02:29", "2027-03-24 02:30"),
    ],
)
def test_the_moment_comes_by_the_clock_of_the_hospital(visit, loader, now_is, planned, zone, early, due):
    """08:30 there, told in Shanghai's time."""
    with acting(loader):
        Site.objects.filter(pk=visit.site_id).update(timezone=zone)
    now_is(early)
    assert [kind for kind, _ in planned()] == ["coordinator_before_opening"]
    now_is(due)
    assert [kind for kind, _ in planned()] == ["coordinator_before_opening", "coordinator_opening"]


@pytest.mark.django_db
def test_a_message_knows_code_and_hospital_and_no_address(visit, reachable, book, now_is, planner):
    book("2027-03-29 09:30")
    now_is("2027-03-28 10:00")
    with acting(planner):
        message = Message.objects.get()
    assert (message.subject_code, message.site_id, message.state) == ("01-001", visit.site_id, "pending")
    assert message.due_at == shanghai("2027-03-28 10:00")
    assert message.payload == {
        "visit": visit.pk,
        "code": "W4",
        "rule": "participant_day_before",
        "version": 1,
        "role": "participant",
    }
    assert "@" not in f"{message.key}{message.recipient}{message.payload}"


@pytest.mark.django_db
def test_only_the_planner_plans(visit, coordinator):
    with pytest.raises(Forbidden):
        services.plan_reminders(actor=coordinator, now=shanghai(OPENING))


def test_planners_at_once_write_each_reminder_once(
    committed, scheduled, participant, coordinator, investigator, site_a, planner, planned
):
    """Four at once, at the moment at which reminders of thirty visits are due."""
    for number in range(30):
        other = (
            participant
            if number == 0
            else walk("registered", site=site_a, coordinator=coordinator, investigator=investigator)
        )
        scheduled(coordinator, other, "W4")
    start, new = threading.Barrier(4), []

    def work():
        try:
            start.wait(10)
            new.append(services.plan_reminders(actor=planner, now=shanghai(OPENING)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(new), sum(new)) == (4, 30)
    assert len(planned()) == 30


@pytest.mark.django_db
@pytest.mark.parametrize("offset", [{"months": 12}, {"weeks": 52}])
def test_a_wide_window_counted_in_months_or_weeks_is_found_as_long_as_it_is_open(
    participant, coordinator, now_is, planned, offset
):
    def wide(document):
        year = next(visit for visit in document["visits"] if visit["code"] == "M12")
        del year["day"]
        year.update(offset, before=80, after=80)

    year = amended(wide).definition.visit("M12")
    (made,) = services.schedule(
        actor=coordinator, participant=participant, anchors={"surgery": ANCHOR}, visits=[year]
    )
    now_is(f"{made.opens_on + dt.timedelta(days=150)} 09:00")
    assert [kind for kind, _ in planned()] == ["coordinator_opening"]


@pytest.mark.django_db
def test_people_read_the_names_of_rules_in_their_language(visit, coordinator, now_is):
    now_is("2027-03-24 09:00")
    shown = {}
    for language in ("en", "zh-hans"):
        client = Client(headers={"accept-language": language})
        client.force_login(coordinator)
        shown[language] = client.get("/admin/outbox/message/").content.decode()
    assert "W4 · Window open" in shown["en"]
    assert "W4 · 窗口已开启" in shown["zh-hans"]
    assert "coordinator_opening" not in shown["en"] + shown["zh-hans"]
