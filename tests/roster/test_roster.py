"""Who was trained, who authorised whom, who looked through everybody's access, and what they saw."""

import csv
import datetime as dt
import io
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import PASSWORD, make_person
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.roster import reminders, rules
from trialsite.roster.errors import DelegatedAlready, EndedAlready, NotOfTheHospital
from trialsite.roster.models import Delegation, Training
from trialsite.roster.reading import report
from trialsite.roster.services import delegate, end_delegation, record_training, review_access
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Membership
from trialsite.staff.services import end_membership, grant

DAY = dt.date(2026, 1, 5)


@pytest.fixture
def pi(person, site_a):
    return person("pi", site_a)


@pytest.fixture
def administrator(person):
    return person("administrator")


def train(actor, site, user, **changes):
    given = {"topic": "GCP", "completed_on": DAY, "evidence": "site file 4.1", "valid_until": None}
    return record_training(actor=actor, site=site, user=user, **{**given, **changes})


# Delegation -----------------------------------------------------------------------------------------------------


def test_the_investigator_in_chief_authorises_under_one_signature_and_ends_with_a_reason(
    pi, site_a, coordinator
):
    given = delegate(actor=pi, site=site_a, user=coordinator, tasks=["data", "consent"], password=PASSWORD)
    assert [one.task for one in given] == ["consent", "data"]
    assert len({one.signature_id for one in given}) == 1
    with acting(pi):
        bound = given[0].signature.covered.values_list("kind", "record_id", "version")
        assert set(bound) == {("delegation", one.pk, 1) for one in given}
    with pytest.raises(DelegatedAlready, match="entering data"):
        delegate(actor=pi, site=site_a, user=coordinator, tasks=["data"], password=PASSWORD)
    with pytest.raises(Invalid):
        end_delegation(actor=pi, delegation=given[0], reason="")
    ended = end_delegation(actor=pi, delegation=given[0], reason="left the department")
    with pytest.raises(EndedAlready):
        end_delegation(actor=pi, delegation=ended, reason="again")
    with acting(pi):
        assert [one.task for one in Delegation.objects.open().filter(site=site_a)] == ["data"]
        event = Event.objects.filter(table_name="roster_delegation").latest("id")
    assert (event.reason, event.actor_id) == ("left the department", pi.pk)


def test_nobody_else_authorises_and_nobody_from_elsewhere_is_authorised(
    pi, site_a, site_b, coordinator, coordinator_b, trial_manager
):
    for other in (coordinator, trial_manager):
        with pytest.raises(Forbidden):
            delegate(actor=other, site=site_a, user=coordinator, tasks=["data"], password=PASSWORD)
    with pytest.raises(NotFound):
        delegate(actor=pi, site=site_b, user=coordinator_b, tasks=["data"], password=PASSWORD)
    with pytest.raises(NotOfTheHospital):
        delegate(actor=pi, site=site_a, user=coordinator_b, tasks=["data"], password=PASSWORD)
    with pytest.raises(Invalid) as refused:
        delegate(actor=pi, site=site_a, user=coordinator, tasks=["flying"], password=PASSWORD)
    assert "tasks" in refused.value.fields
    with pytest.raises(WrongPassword):
        delegate(actor=pi, site=site_a, user=coordinator, tasks=["data"], password="wrong horse battery")
    with acting(pi):
        assert not Delegation.objects.filter(site=site_a).exists()


# Training -------------------------------------------------------------------------------------------------------


def test_training_is_added_and_never_rewritten(committed, pi, site_a, coordinator, raw):
    train(coordinator, site_a, pi)
    for change, field in (
        ({"completed_on": dt.date(2999, 1, 1)}, "completed_on"),
        ({"valid_until": dt.date(2025, 1, 1)}, "valid_until"),
    ):
        with pytest.raises(Invalid) as refused:
            train(coordinator, site_a, pi, **change)
        assert field in refused.value.fields
    for sql in ("UPDATE roster_training SET topic = 'x'", "DELETE FROM roster_training"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            raw(sql, actor=coordinator)


def test_another_hospital_reads_neither_training_nor_log(
    committed, pi, site_a, coordinator, coordinator_b, raw
):
    train(coordinator, site_a, pi)
    delegate(actor=pi, site=site_a, user=coordinator, tasks=["data"], password=PASSWORD)
    for table in ("roster_training", "roster_delegation"):
        assert raw(f"SELECT count(*) FROM {table}", actor=coordinator) == [(1,)]
        assert raw(f"SELECT count(*) FROM {table}", actor=coordinator_b) == [(0,)]
    with acting(coordinator_b):
        assert not Training.objects.visible_to(coordinator_b).exists()


# Access ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"ends": dt.date(2026, 3, 1)}, ("ended",)),
        ({"ends": dt.date(2026, 3, 2)}, ()),
        ({"active": False}, ("closed",)),
        ({"begins": dt.date(2026, 3, 2)}, ("to_begin",)),
        ({"last_act": None}, ("never",)),
        ({"last_act": dt.date(2025, 12, 1)}, ()),
        ({"last_act": dt.date(2025, 11, 30)}, ("dormant",)),
        ({"trained": False}, ("untrained",)),
        ({"trained": False, "person": False}, ()),
        ({"apart": False}, ("clash",)),
    ],
)
def test_what_a_reviewer_should_look_at(changes, expected):
    usual = {
        "today": dt.date(2026, 3, 1),
        "active": True,
        "begins": DAY,
        "ends": None,
        "last_act": dt.date(2026, 2, 27),
        "trained": True,
        "person": True,
    }
    assert rules.flags(**{**usual, **changes}) == expected


def test_the_report_says_who_has_which_role_since_when_and_when_they_last_acted(
    committed, site_a, pi, coordinator, coordinator_b, trial_manager, loader
):
    note(actor=coordinator, action="sign_in", about="staff_user", key=coordinator.pk, durable=True)
    train(coordinator, site_a, coordinator)
    train(coordinator, site_a, pi, valid_until=dt.date(2026, 2, 1))
    end_membership(actor=loader, membership=Membership.objects.get(user=pi), reason="left")
    with acting(trial_manager):
        rows = {row.username: row for row in report(trial_manager, site_a)}
    today = clock.today(site_a.timezone)
    mine = rows[coordinator.username]
    assert (mine.role, mine.since, mine.until, mine.last_sign_in) == ("coordinator", today, None, today)
    assert (mine.training, mine.flags) == (("GCP",), ())
    assert rows[pi.username].flags == ("ended",)
    assert (rows[trial_manager.username].everywhere, rows[trial_manager.username].flags) == (
        True,
        ("never", "untrained"),
    )
    assert coordinator_b.username not in rows


def test_a_review_keeps_what_was_shown_under_a_signature(pi, site_a, coordinator, trial_manager):
    with pytest.raises(Invalid):
        review_access(actor=pi, site=site_a, findings=" ", password=PASSWORD)
    with pytest.raises(Forbidden):
        review_access(actor=coordinator, site=site_a, findings="none", password=PASSWORD)
    review = review_access(actor=trial_manager, site=site_a, findings="none", password=PASSWORD)
    assert {row["username"] for row in review.report} >= {pi.username, coordinator.username}
    assert review.signature.printed_name == trial_manager.full_name
    with acting(trial_manager):
        bound = review.signature.covered.values_list("kind", "record_id", "version")
        assert list(bound) == [("access_review", review.pk, 1)]


def test_a_role_begins_and_ends_on_its_dates(data, administrator, coordinator, site_b):
    now = clock.now()
    grant(
        actor=administrator,
        user=coordinator,
        role="coordinator",
        site=site_b,
        reason="stands in for a colleague",
        starts_at=now + dt.timedelta(days=1),
        ends_at=now + dt.timedelta(days=3),
    )
    there = coordinator.memberships.filter(site=site_b)
    assert (there.count(), there.current().count()) == (1, 0)
    with pytest.raises(Invalid) as refused:
        grant(
            actor=administrator,
            user=coordinator,
            role="pi",
            site=site_b,
            reason="too late",
            ends_at=now - dt.timedelta(days=1),
        )
    assert "ends_at" in refused.value.fields


def test_the_pages_carry_a_round_of_work(committed, pi, site_a, coordinator, administrator):
    chief, keeper = Client(), Client(headers={"accept-language": "zh-hans"})
    chief.force_login(pi)
    keeper.force_login(administrator)
    answers = [
        chief.post(
            "/admin/roster/training/",
            {
                "site": "SHGH",
                "user": coordinator.pk,
                "topic": "GCP",
                "completed_on": "2026-01-05",
                "evidence": "4.1",
            },
        ),
        chief.post(
            "/admin/roster/delegate/",
            {"site": "SHGH", "user": coordinator.pk, "tasks": ["data"], "password": PASSWORD},
        ),
        chief.post("/admin/access/review/", {"site": "SHGH", "findings": "none", "password": PASSWORD}),
        keeper.post(
            "/admin/access/grant/",
            {"site": "SHGH", "user": coordinator.pk, "role": "investigator", "reason": "signs eligibility"},
        ),
    ]
    assert [answer.status_code for answer in answers] == [302] * 4
    roster = chief.get("/admin/roster/?site=SHGH").content.decode()
    assert "GCP" in roster
    assert "entering data" in roster
    assert "I authorise this person for these tasks." in roster, (
        "with meaning, time and hash, like any signature"
    )
    access = keeper.get("/admin/access/?site=SHGH").content.decode()
    assert "研究者" in access
    assert "最近登录" in access
    assert pi.full_name in access, "who keeps accounts alone sees who signed, and no signature"
    assert "I have looked through everybody" in chief.get("/admin/access/?site=SHGH").content.decode()
    again = keeper.post(
        "/admin/access/grant/", {"site": "SHGH", "user": coordinator.pk, "role": "king", "reason": "x"}
    )
    assert again.status_code == 422
    assert chief.get("/admin/access/?site=SMU3").status_code == 404


def test_access_is_called_late_when_half_a_year_has_passed_and_not_on_the_first_day(
    committed, pi, site_a, monkeypatch
):
    chief = Client(headers={"accept-language": "en"})
    chief.force_login(pi)
    shown = [chief.get("/admin/access/?site=SHGH").content.decode()]
    monkeypatch.setattr(reminders, "REVIEW_EVERY", dt.timedelta(0))
    shown.append(chief.get("/admin/access/?site=SHGH").content.decode())
    assert ["half a year" in page for page in shown] == [False, True]


def test_the_report_leaves_as_csv_by_page_and_command_and_both_are_recorded(committed, pi, site_a, capsys):
    client = Client()
    client.force_login(pi)
    answer: Any = client.get("/admin/access.csv?site=SHGH")
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    call_command("access_report", "SHGH", "--actor", pi.username)
    printed = capsys.readouterr().out.lstrip("\ufeff")
    for text in (body, printed):
        assert [row["username"] for row in csv.DictReader(io.StringIO(text)) if row["role"] == "pi"] == [
            pi.username,
            "approvals.shgh",
        ]
    with acting(pi):
        assert Event.objects.filter(action="export", table_name="staff_membership").count() == 2


def test_the_report_costs_the_same_for_many_people(committed, site_a, trial_manager):
    def queries():
        with acting(trial_manager), CaptureQueriesContext(connection) as asked:
            report(trial_manager, site_a)
        return len(asked)

    queries()  # reads the roles of whoever asks, once
    few = queries()
    for _ in range(8):
        make_person("coordinator", site_a)
    assert queries() == few
