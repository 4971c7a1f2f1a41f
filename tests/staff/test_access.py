"""Who may do what: the permission file, its copy in the database, and what start-up checks refuse."""

import pytest
from celery import current_app
from django.contrib import admin
from django.test import override_settings
from django.urls import path
from django.views import View

from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.staff import access, capabilities, checks
from trialsite.staff.errors import NoSuchRole
from trialsite.staff.models import Membership, RoleCapability
from trialsite.staff.services import create_user, end_membership, grant

pytestmark = pytest.mark.django_db


def test_the_database_knows_the_same_table_as_the_permission_file():
    rows = set(RoleCapability.objects.values_list("role", "capability"))
    assert rows == {(role, name) for role, names in capabilities.CAPABILITIES.items() for name in names}


def test_an_assessor_never_sees_arms_and_an_auditor_changes_nothing():
    assert capabilities.ARM_SEE not in capabilities.CAPABILITIES["assessor"]
    changing = {
        name
        for name in capabilities.ALL
        if name.split(".")[-1] in ("edit", "record", "register", "sign", "manage")
    }
    assert not capabilities.CAPABILITIES["auditor"] & (changing | {capabilities.RANDOMIZE})


def test_a_coordinator_may_act_at_the_own_hospital_only(coordinator, site_a, site_b):
    access.require(coordinator, capabilities.PARTICIPANT_REGISTER, site=site_a)
    with pytest.raises(NotFound):
        access.require(coordinator, capabilities.PARTICIPANT_REGISTER, site=site_b)
    with pytest.raises(Forbidden):
        access.require(coordinator, capabilities.ELIGIBILITY_SIGN, site=site_a)


def test_a_role_that_has_ended_gives_nothing(coordinator, loader, site_a):
    end_membership(actor=loader, membership=Membership.objects.get(user=coordinator))
    access.forget(coordinator)
    assert not access.has(coordinator, capabilities.PARTICIPANT_VIEW, site=site_a)


def test_only_who_manages_accounts_gives_roles(coordinator, investigator, site_a, loader):
    with pytest.raises(Forbidden):
        grant(actor=coordinator, user=investigator, role="pi", site=site_a)
    with pytest.raises(NoSuchRole):
        grant(actor=loader, user=investigator, role="king", site=site_a)
    first = grant(actor=loader, user=investigator, role="pi", site=site_a)
    assert grant(actor=loader, user=investigator, role="pi", site=site_a).pk == first.pk


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
