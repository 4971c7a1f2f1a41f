"""The database writes the trail, whichever way a row changes, and nobody takes it back."""

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import InternalError, ProgrammingError, connection, transaction

from trialsite.audit import posture
from trialsite.audit.context import Origin, acting, coming_from
from trialsite.audit.models import Event
from trialsite.participants.models import contact_of
from trialsite.participants.services import set_contact
from trialsite.sites.models import Site
from trialsite.staff.models import User

pytestmark = pytest.mark.django_db


def _last(actor, table):
    with acting(actor):
        return Event.objects.filter(table_name=table).first()


@pytest.fixture
def auditor(person):
    return person("auditor")


def test_a_change_is_trailed_with_old_and_new_value_who_why_and_from_where(site_a, trial_manager, auditor):
    with (
        coming_from(Origin(application="api", request="r-1", address="10.1.2.3", session="s")),
        acting(trial_manager, reason="new telephone exchange"),
    ):
        Site.objects.filter(pk=site_a.pk).update(phone="021-1")
    event = _last(auditor, "sites_site")
    assert event.changes == {"phone": [site_a.phone, "021-1"]}
    assert (event.actor_id, event.roles, event.reason) == (
        trial_manager.pk,
        "trial_manager",
        "new telephone exchange",
    )
    assert (event.application, event.request, event.address) == ("api", "r-1", "10.1.2.3")
    assert event.site_id == site_a.pk


def test_raw_sql_and_executemany_are_trailed_too(site_a, site_b, trial_manager, auditor):
    with acting(trial_manager), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE sites_site SET phone = %s WHERE id = %s", [("1", site_a.pk), ("2", site_b.pk)]
        )
    with acting(auditor):
        assert [event.changes["phone"][1] for event in Event.objects.filter(table_name="sites_site")[:2]] == [
            "2",
            "1",
        ]


def test_a_row_that_does_not_change_leaves_no_trail(site_a, trial_manager, auditor):
    before = _last(auditor, "sites_site").pk
    with acting(trial_manager):
        Site.objects.filter(pk=site_a.pk).update(phone=site_a.phone)
    assert _last(auditor, "sites_site").pk == before


def test_a_password_is_trailed_as_changed_and_never_shown(person, loader, auditor):
    user = person("coordinator")
    with acting(user):
        User.objects.filter(pk=user.pk).update(password="argon2$secret")
    assert _last(auditor, "staff_user").changes == {"password": "changed"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET reason = 'x'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "INSERT INTO audit_event (at, xid, actor_id, roles, action, table_name, row_key, reveals_arm, changes)"
        " VALUES (now(), 1, 1, '', 'x', 'x', 'x', false, '{}')",
        "ALTER TABLE sites_site DISABLE TRIGGER ALL",
        "TRUNCATE sites_site CASCADE",
        "DROP TABLE audit_event",
    ],
)
def test_the_serving_role_cannot_touch_the_trail(statement, loader):
    with (
        pytest.raises((ProgrammingError, InternalError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT set_config('edc.actor', %s, true)", [str(loader.pk)])
        cursor.execute(statement)


def test_an_inner_actor_leaves_the_outer_one_in_place(site_a, trial_manager, loader, auditor):
    with acting(trial_manager, reason="outer"):
        with acting(loader, reason="inner"):
            Site.objects.filter(pk=site_a.pk).update(phone="inner")
        Site.objects.filter(pk=site_a.pk).update(phone="outer")
    with acting(auditor):
        newest = Event.objects.filter(table_name="sites_site")[:2]
        assert [(event.actor_id, event.reason) for event in newest] == [
            (trial_manager.pk, "outer"),
            (loader.pk, "inner"),
        ]


def test_every_table_is_trailed_and_under_a_policy_or_exempt_with_a_reason():
    with connection.cursor() as cursor:
        assert posture.problems(cursor) + posture.role_problems(cursor) == []
    assert all([*settings.AUDIT_EXEMPT.values(), *settings.SITE_EXEMPT.values()])


def test_the_tests_run_as_the_serving_role_which_owns_nothing():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == ("edc_app", False, False)
    assert apps.is_installed("trialsite.audit")


def test_a_view_of_contact_details_is_recorded(auditor, coordinator, investigator, site_a, participant_in):
    participant = participant_in(
        "registered", site=site_a, coordinator=coordinator, investigator=investigator
    )
    set_contact(
        actor=coordinator,
        participant=participant,
        name="王静",
        phone="021-5550100",
        email="",
        language="zh-hans",
        contact_consent=True,
    )
    with acting(coordinator):
        assert contact_of(participant, coordinator)
    event = _last(auditor, "participants_contact")
    assert (event.action, event.actor_id) == ("view", coordinator.pk)
    assert (event.participant_id, event.site_id, event.changes) == (participant.pk, site_a.pk, {})


def test_a_note_names_whoever_is_bound_and_never_poses_as_a_change(raw, coordinator):
    note = "SELECT edc_note(%s, 'x', '1', NULL, NULL, '{}')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        raw(note, "view")
    with pytest.raises(psycopg.errors.CheckViolation):
        raw(note, "update", actor=coordinator)
