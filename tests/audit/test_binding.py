"""Who acts is told to the database when it changes, and a durable step stands or falls as a whole."""

from contextlib import suppress

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from trialsite.audit.context import Origin, acting, coming_from
from trialsite.sites.models import Site
from trialsite.staff.models import system_actor


def _actor():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('edc.actor', true), current_setting('edc.reason', true)")
        return tuple(cursor.fetchone())


def _bindings(queries):
    return [one["sql"] for one in queries.captured_queries if "set_config" in one["sql"]]


def test_services_within_services_tell_who_acts_once(committed, coordinator):
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        acting(coordinator, reason="one"),
    ):
        with acting(coordinator), acting(coordinator, reason="one"):
            assert _actor() == (str(coordinator.pk), "one")
        assert _actor() == (str(coordinator.pk), "one")
    assert len(_bindings(queries)) == 1


def test_a_system_step_inside_stays_apart_also_when_it_fails(committed, coordinator):
    system = system_actor("system.loader")
    with acting(coordinator):
        with acting(system, reason="of its own"):
            assert _actor() == (str(system.pk), "of its own")
        assert _actor() == (str(coordinator.pk), "")
        with suppress(ValueError), acting(system):
            raise ValueError
        assert _actor() == (str(coordinator.pk), "")
        with acting(coordinator):
            assert _actor() == (str(coordinator.pk), "")


def test_each_transaction_is_told_anew(committed, coordinator):
    for origin in ("first", "second"):
        with coming_from(Origin(request=origin)):
            for _ in range(2):
                with acting(coordinator):
                    assert _actor()[0] == str(coordinator.pk)
                with transaction.atomic():
                    assert not _actor()[0]
                    with acting(coordinator):
                        assert _actor()[0] == str(coordinator.pk)


def test_a_step_after_a_failed_one_is_refused_in_a_durable_block_and_nothing_stays(
    committed, trial_manager, site_a
):
    def phone():
        with acting(trial_manager):
            return Site.objects.get(pk=site_a.pk).phone

    before = phone()
    with pytest.raises(DatabaseError), acting(trial_manager, durable=True):
        Site.objects.filter(pk=site_a.pk).update(phone="half")
        with suppress(ValueError), acting(trial_manager):
            raise ValueError
        Site.objects.filter(pk=site_a.pk).update(phone="done")
    assert phone() == before
    # Elsewhere a failed step is undone alone, and the caller may go on.
    with acting(trial_manager):
        with suppress(ValueError), acting(trial_manager):
            Site.objects.filter(pk=site_a.pk).update(phone="half")
            raise ValueError
        assert Site.objects.get(pk=site_a.pk).phone == before
