"""A review of access that is late is asked for: of the principal investigator, then of the trial managers too."""

import datetime as dt

import pytest

from tests.conftest import PASSWORD
from trialsite.audit.context import acting
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.roster import reminders
from trialsite.roster.rules import REVIEW_EVERY
from trialsite.roster.services import review_access
from trialsite.staff.models import Membership, system_actor
from trialsite.staff.services import end_membership

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def pi(person, site_a):
    return person("pi", site_a)


@pytest.fixture
def planner():
    return system_actor("system.reminders")


@pytest.fixture
def begun(pi, site_a):
    """When the first person had a role at the hospital; the activations of the tests' ground came before."""
    return Membership.objects.filter(site=site_a).earliest("starts_at").starts_at


def asked(planner):
    with acting(planner):
        return list(Message.objects.filter(kind="access_review").order_by("pk"))


def test_nobody_is_told_before_it_is_due(planner, begun):
    assert reminders.plan(actor=planner, now=begun + REVIEW_EVERY) == 0
    assert asked(planner) == []


def test_the_investigator_in_chief_is_told_once_and_the_trial_managers_after_two_weeks(
    planner, begun, pi, trial_manager, coordinator
):
    late = begun + REVIEW_EVERY + DAY
    for _ in range(3):
        assert reminders.plan(actor=planner, now=late) == 1
    (first,) = asked(planner)
    assert (first.recipient, first.site_id, first.subject_code) == (f"user:{pi.pk}", coordinator_site(pi), "")
    with acting(planner):
        text = reminders.resolve(first, late)
    assert isinstance(text, Send)
    assert text.to == pi.email
    assert (begun + REVIEW_EVERY).date().isoformat()[:7] in text.body
    assert reminders.plan(actor=planner, now=late + 14 * DAY) == 1
    assert {one.recipient for one in asked(planner)} == {f"user:{pi.pk}", f"user:{trial_manager.pk}"}


def coordinator_site(pi):
    return Membership.objects.get(user=pi).site_id


def test_where_nobody_is_in_chief_the_trial_managers_are_told_at_once(
    planner, begun, pi, trial_manager, loader
):
    end_membership(actor=loader, membership=Membership.objects.get(user=pi), reason="left")
    assert reminders.plan(actor=planner, now=begun + REVIEW_EVERY + DAY) == 1
    assert [one.recipient for one in asked(planner)] == [f"user:{trial_manager.pk}"]


def test_a_review_that_was_signed_meanwhile_or_a_role_that_ended_cancels_it(
    planner, begun, pi, site_a, trial_manager, loader
):
    late = begun + REVIEW_EVERY + 15 * DAY
    reminders.plan(actor=planner, now=late - 14 * DAY)
    reminders.plan(actor=planner, now=late)
    to_chief, to_manager = asked(planner)
    review_access(actor=trial_manager, site=site_a, findings="none", password=PASSWORD)
    with acting(planner):
        assert isinstance(reminders.resolve(to_manager, late), Cancel)
    end_membership(actor=loader, membership=Membership.objects.get(user=pi), reason="left")
    with acting(planner):
        assert reminders.resolve(to_chief, late) == Cancel("the recipient no longer has this role")


def test_a_hospital_that_does_not_recruit_yet_is_left_alone(planner, site_a, begun):
    """Of the hospitals where people have roles, this one alone is active."""
    told = {site.code for site, _ in reminders.late(begun + 2 * REVIEW_EVERY)}
    assert told == {site_a.code}
