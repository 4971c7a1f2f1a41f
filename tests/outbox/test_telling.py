"""Telling the holders of a role, and climbing an escalation: what other rooms build their reminders from."""

import datetime as dt

import pytest

from tests.conftest import make_person
from tests.outbox.conftest import NOW
from trialsite.audit.context import acting
from trialsite.outbox import services
from trialsite.outbox.models import Message
from trialsite.outbox.rules import Rung, climbed
from trialsite.staff.models import Membership
from trialsite.staff.services import end_membership

LADDER = [
    Rung("coordinator", dt.timedelta(0)),
    Rung("pi", dt.timedelta(hours=24)),
    Rung("trial_manager", dt.timedelta(hours=48)),
]


@pytest.mark.parametrize(
    ("hours", "role"),
    [
        (-1, None),
        (0, "coordinator"),
        (23.9, "coordinator"),
        (24, "pi"),
        (48, "trial_manager"),
        (900, "trial_manager"),
    ],
)
def test_the_rung_is_the_last_one_passed(hours, role):
    rung = climbed(LADDER, NOW, NOW + dt.timedelta(hours=hours))
    assert (rung and rung.role) == role


@pytest.fixture
def climb(loader, site_a):
    """One round of a planner, so many hours after the matter arose; how many people were told."""

    def climb(hours, kind="note"):
        return services.escalate(
            actor=loader,
            ladder=LADDER,
            since=NOW,
            now=NOW + dt.timedelta(hours=hours),
            key="sae:7",
            kind=kind,
            payload={"event": 7},
            site=site_a,
            subject_code="01-001",
        )

    return climb


@pytest.fixture
def told(loader):
    def told():
        with acting(loader):
            return [(row.payload["role"], row.recipient) for row in Message.objects.order_by("pk")]

    return told


@pytest.mark.django_db
def test_each_rung_is_told_once_however_often_the_planner_comes(climb, told, coordinator, site_a):
    pi, manager = make_person("pi", site_a), make_person("trial_manager")
    for hours in (0, 1, 23, 24, 24.5, 48, 72):
        climb(hours)
    assert told() == [
        ("coordinator", f"user:{coordinator.pk}"),
        ("pi", f"user:{pi.pk}"),
        ("trial_manager", f"user:{manager.pk}"),
    ]


@pytest.mark.django_db
def test_a_planner_that_stood_still_tells_the_present_rung_alone(climb, told, coordinator, site_a):
    pi = make_person("pi", site_a)
    climb(30)
    assert told() == [("pi", f"user:{pi.pk}")]


@pytest.mark.django_db
def test_where_nobody_holds_the_role_the_next_rung_is_told(climb, told, coordinator, loader, site_a, site_b):
    make_person("pi", site_b)
    manager = make_person("trial_manager")
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    assert climb(0) == 1
    assert told() == [("trial_manager", f"user:{manager.pk}")]


@pytest.mark.django_db
def test_who_refuses_an_optional_kind_is_passed_over_and_no_other_kind_can_be_refused(
    climb, told, coordinator, site_a
):
    services.set_preference(actor=coordinator, kind="visit", wanted=False)
    assert climb(0, kind="note") == 1
    assert (
        services.tell(
            actor=coordinator,
            roles=["coordinator"],
            key="x",
            kind="visit",
            payload={},
            site=site_a,
            subject_code="",
        )
        == 0
    )
