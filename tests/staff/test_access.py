"""Who may do what: the permission file, its copy in the database, and what start-up checks refuse."""

import datetime as dt
from typing import Any

import pytest
from celery import current_app
from django.contrib import admin
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import override_settings
from django.urls import path
from django.views import View

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.staff import access, capabilities, checks
from trialsite.staff.errors import NoSuchRole, NotOneself, RolesApart, RoleStands
from trialsite.staff.models import Membership, RoleCapability
from trialsite.staff.services import create_user, end_membership, grant

pytestmark = pytest.mark.django_db


def test_the_database_knows_the_same_table_as_the_permission_file():
    rows = set(RoleCapability.objects.values_list("role", "capability"))
    assert rows == {(role, name) for role, names in capabilities.CAPABILITIES.items() for name in names}


def test_an_assessor_never_sees_arms_and_an_auditor_reads_and_changes_nothing():
    assert capabilities.ARM_SEE not in capabilities.CAPABILITIES["assessor"]
    # All of it by name: what is added here is looked at by whoever reads this line.
    assert sorted(capabilities.CAPABILITIES["auditor"]) == [
        "arm.see",
        "audit.view",
        "dashboard.view",
        "data.export",
        "eligibility.view",
        "feed.own",
        "ledger.view",
        "participant.view",
        "protocol.view",
        "record.view",
        "reminder.view",
        "roster.view",
        "seal.view",
        "site.view",
        "token.own",
        "visit.view",
    ]


def test_a_coordinator_may_act_at_the_own_hospital_only(coordinator, site_a, site_b):
    access.require(coordinator, capabilities.PARTICIPANT_REGISTER, site=site_a)
    with pytest.raises(NotFound):
        access.require(coordinator, capabilities.PARTICIPANT_REGISTER, site=site_b)
    with pytest.raises(Forbidden):
        access.require(coordinator, capabilities.ELIGIBILITY_SIGN, site=site_a)


def test_a_role_that_has_ended_gives_nothing(coordinator, loader, site_a):
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator), reason="left")
    access.forget(coordinator)
    assert not access.has(coordinator, capabilities.PARTICIPANT_VIEW, site=site_a)


def test_only_who_manages_accounts_gives_roles(coordinator, investigator, site_a, loader):
    with pytest.raises(Forbidden):
        grant(actor=coordinator, user=investigator, role="pi", site=site_a, reason="x")
    with pytest.raises(NoSuchRole):
        grant(actor=loader, user=investigator, role="king", site=site_a, reason="more to do")
    first = grant(actor=loader, user=investigator, role="pi", site=site_a, reason="more to do")
    assert grant(actor=loader, user=investigator, role="pi", site=site_a, reason="more to do").pk == first.pk


def test_nobody_gives_oneself_a_role_or_any_without_a_reason(person, coordinator, site_a):
    administrator = person("administrator")
    with pytest.raises(NotOneself):
        grant(actor=administrator, user=administrator, role="pi", site=site_a, reason="for a while")
    for act in (
        lambda: grant(actor=administrator, user=coordinator, role="pi", site=site_a, reason=" "),
        lambda: end_membership(actor=administrator, membership=coordinator.memberships.get(), reason=""),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert "reason" in refused.value.fields


def test_who_keeps_the_accounts_of_one_hospital_gives_roles_there_alone(person, coordinator, site_a, site_b):
    here = person("administrator", site_a)
    assert grant(actor=here, user=coordinator, role="investigator", site=site_a, reason="promoted")
    for elsewhere, refusal in ((site_b, NotFound), (None, Forbidden)):
        with pytest.raises(refusal):
            grant(actor=here, user=coordinator, role="investigator", site=elsewhere, reason="promoted")


@pytest.mark.parametrize("role", sorted(set(capabilities.ROLES) - {"assessor"}))
def test_whoever_judges_outcomes_holds_no_role_that_sees_arms(role, assessor, loader, site_a, site_b):
    sees = capabilities.ARM_SEE in capabilities.CAPABILITIES[role]
    assert capabilities.clash("assessor", role) == capabilities.clash(role, "assessor") == sees
    given = {"actor": loader, "user": assessor, "role": role, "reason": "more to do"}
    if not sees:
        assert grant(**given, site=site_a)
        return
    for site in (site_a, None):
        with pytest.raises(RolesApart):
            grant(**given, site=site)
    # The database refuses it by itself, and says so to whoever passes by the service.
    with pytest.raises(IntegrityError, match="arms"), acting(loader):
        Membership.objects.create(user=assessor, role=role, site=site_a, starts_at=clock.now())
    assert grant(**given, site=site_b)
    end_membership(
        actor=loader, membership=assessor.memberships.get(role="assessor"), reason="judges no more"
    )
    assert grant(**given, site=site_a)


def test_an_end_that_a_standing_role_has_not_is_no_silent_success(coordinator, loader, site_a):
    """Whoever gave the role until Friday was told that it was done, and it stood for ever."""
    given: dict[str, Any] = {
        "actor": loader,
        "user": coordinator,
        "role": "coordinator",
        "site": site_a,
        "reason": "for a week",
    }
    assert grant(**given) == coordinator.memberships.get()
    soon = clock.now() + dt.timedelta(days=7)
    for asked in ("ends_at", "starts_at"):
        with pytest.raises(RoleStands) as refused:
            grant(**given | {asked: soon})
        assert clock.today(site_a.timezone).isoformat() in str(refused.value)


def test_no_role_begins_before_today(coordinator, loader, site_a):
    given: dict[str, Any] = {
        "actor": loader,
        "user": coordinator,
        "role": "investigator",
        "site": site_a,
        "reason": "late",
    }
    with pytest.raises(Invalid) as refused:
        grant(**given, starts_at=clock.now() - dt.timedelta(days=1))
    assert list(refused.value.fields) == ["starts_at"]
    today = clock.midnight(clock.today(site_a.timezone), site_a.timezone)
    assert grant(**given, starts_at=today).starts_at == today


def test_raw_sql_gives_a_role_where_the_bound_actor_keeps_accounts_and_nowhere_else(
    person, coordinator, site_a, site_b
):
    insert = (
        "INSERT INTO staff_membership (created_at, user_id, role, site_id, starts_at)"
        " VALUES (now(), %s, 'monitor', %s, now()) RETURNING 1"
    )
    here, everywhere = person("administrator", site_a), person("administrator")
    new = person("coordinator", site_b)

    def write(actor, sql, *values):
        with acting(actor), connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.rowcount

    for actor, user, site in (
        (coordinator, coordinator, site_b),
        (coordinator, new, site_a),
        (here, new, site_b),
        (here, here, site_a),
        (everywhere, everywhere, site_b),
    ):
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            write(actor, insert, user.pk, site.pk)
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        write(here, insert, new.pk, None)
    assert write(here, insert, new.pk, site_a.pk) == write(everywhere, insert, new.pk, site_b.pk) == 1
    ending = (
        "UPDATE staff_membership SET ends_at = now() + interval '1 day' WHERE user_id = %s AND site_id = %s"
    )
    assert write(coordinator, ending, new.pk, site_a.pk) == write(here, ending, new.pk, site_b.pk) == 0
    assert write(here, ending, new.pk, site_a.pk) == 1


def test_a_short_password_is_refused_by_name(loader):
    with pytest.raises(Invalid) as refused:
        create_user(actor=loader, username="li", password="short", full_name="Li")
    assert "password" in refused.value.fields


class Undeclared(View):
    pass


class Misspelt(View):
    capability = "participant.veiw"


urlpatterns = [path("undeclared", Undeclared.as_view()), path("misspelt", Misspelt.as_view())]


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_without_a_known_capability_keeps_the_server_from_starting():
    found = checks.every_view_declares_a_capability(None)
    assert [problem.id for problem in found] == ["staff.E001", "staff.E002"]


def test_an_admin_window_or_action_that_declares_none_is_named(monkeypatch):
    window = admin.site._registry[Membership]
    monkeypatch.setattr(window, "view_capability", "")
    monkeypatch.setattr(window, "actions", ("wave",))
    monkeypatch.setattr(type(window), "wave", lambda *_: None, raising=False)
    found = checks.every_admin_window_declares_capabilities(None)
    assert [problem.id for problem in found] == ["staff.E003", "staff.E004"]


@pytest.mark.parametrize("declared", [{}, {"capability": "outbox.sned"}])
def test_a_task_that_declares_none_is_named(declared):
    name = "tests.undeclared"

    def wave():
        pass

    current_app.task(name=name, **declared)(wave)
    try:
        found = checks.every_task_declares_a_capability(None)
    finally:
        current_app.tasks.pop(name)
    assert [problem.id for problem in found] == ["staff.E005"]
    assert name in found[0].msg


def test_a_command_that_declares_none_is_named(monkeypatch):
    from trialsite.audit.management.commands.verify_audit import Command

    monkeypatch.delattr(Command, "capability")
    found = checks.every_command_declares_a_capability(None)
    assert [(problem.id, "verify_audit" in problem.msg) for problem in found] == [("staff.E006", True)]


def test_everything_of_this_site_that_acts_declares_its_capability():
    assert checks.every_view_declares_a_capability(None) == []
    assert checks.every_admin_window_declares_capabilities(None) == []
    assert checks.every_task_declares_a_capability(None) == []
    assert checks.every_command_declares_a_capability(None) == []
