"""A withdrawal from treatment, from visits, from the use of data: what each stops."""

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.participants.test_consents import today
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import VersionConflict
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import schedule, services
from trialsite.enrollment.errors import StepRefused
from trialsite.participants import services as participants
from trialsite.participants.errors import (
    TreatmentWithdrawn,
    UseOfDataWithdrawn,
    WithdrawalDiffers,
)
from trialsite.participants.models import Participant, Withdrawal
from trialsite.safety import services as safety
from visits import services as services_of_visits
from visits.models import Visit


@pytest.fixture
def randomized(committed, sealed, site_a, coordinator, investigator):
    return walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)


def withdraw(actor: Any, participant: Any, level: Any, **changes: Any) -> Any:
    values = {"wddat": today().isoformat(), "level": level, **changes}
    return services.withdraw(actor=actor, participant=participant, values=values)


def test_from_treatment_the_participant_stays_in_follow_up_and_sbrt_cannot_be_started(
    randomized, coordinator
):
    services_of_visits.schedule(
        actor=coordinator,
        participant=randomized,
        anchors=schedule.anchors(coordinator, randomized),
        visits=[randomized.protocol_version.definition.visit("SBRT")],
    )
    with acting(coordinator):
        expected = Visit.objects.open().filter(participant=randomized).count()
    assert withdraw(coordinator, randomized, "treatment").status == "randomized"
    with acting(coordinator):
        assert Visit.objects.open().filter(participant=randomized).count() == expected - 1 > 0
        assert Visit.objects.get(participant=randomized, code="SBRT").state == "not_expected", (
            "nobody is reminded of a treatment that was declined"
        )
    with pytest.raises(TreatmentWithdrawn):
        services.start_treatment(
            actor=coordinator, participant=randomized, values={"sbrtdat": today().isoformat()}
        )
    save_record(
        actor=coordinator, participant=randomized, event="W1", form="pain", values=casebook.pain(today(), 2)
    )


def test_from_treatment_before_randomization_nobody_is_randomized(
    committed, sealed, site_a, coordinator, investigator
):
    operated = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    withdraw(coordinator, operated, "treatment")
    with pytest.raises(TreatmentWithdrawn):
        services.randomize(actor=coordinator, participant=operated, idempotency_key="withdrawn-0001")


def test_from_visits_no_visit_is_expected_any_more_and_data_may_still_be_corrected(randomized, coordinator):
    assert withdraw(coordinator, randomized, "visits").status == "withdrawn"
    with acting(coordinator):
        assert not Visit.objects.open().filter(participant=randomized).exists()
    save_record(
        actor=coordinator, participant=randomized, event="W1", form="pain", values=casebook.pain(today(), 2)
    )


def test_from_use_of_data_nothing_more_is_captured_but_a_death(randomized, coordinator):
    assert withdraw(coordinator, randomized, "data").status == "withdrawn"
    with pytest.raises(UseOfDataWithdrawn):
        save_record(
            actor=coordinator,
            participant=randomized,
            event="W1",
            form="pain",
            values=casebook.pain(today(), 2),
        )
    # Nor a visit, whose date and reason tell of the participant too.
    for on in (today(), today() - dt.timedelta(days=9)):
        with pytest.raises(UseOfDataWithdrawn):
            services_of_visits.unscheduled(
                actor=coordinator, participant=randomized, on=on, reason="Fever after the withdrawal."
            )
    with acting(coordinator):
        taken = Visit.objects.filter(participant=randomized, code="RAND").get()
        assert not Visit.objects.filter(participant=randomized, kind="unscheduled").exists()
        assert taken.state == "attended"
        assert Record.objects.filter(participant=randomized, event="SCR").exists()
        assert not Participant.objects.use_permitted().filter(pk=randomized.pk).exists()
    values = {"dthdat": today().isoformat(), "cause": "progression"}
    assert services.record_death(actor=coordinator, participant=randomized, values=values).status == "dead"


def test_after_the_use_of_data_is_withdrawn_a_report_that_is_open_is_still_reported(randomized, coordinator):
    """The authorities are owed what becomes of a serious event; nothing new is captured beside it."""
    report = {"actor": coordinator, "participant": randomized, "event": "LOG", "form": "sae"}
    values = {"saestdat": today().isoformat(), "saeterm": "sepsis"}
    values |= {"awareat": (clock.now() - dt.timedelta(hours=3)).isoformat(timespec="seconds")}
    saved = save_record(**report, values=values, complete=False)
    withdraw(coordinator, randomized, "data")
    noted = safety.note(
        actor=coordinator, record=saved.record, step="to_sponsor", at=clock.now(), seen=saved.record.version
    )
    assert "reportedat" in noted.record.data
    with pytest.raises(UseOfDataWithdrawn):
        save_record(**report, values=values, repeat=2, complete=False)


def test_one_after_another_each_once_and_a_repeated_request_changes_nothing(randomized, coordinator):
    for level, status in (("treatment", "randomized"), ("visits", "withdrawn"), ("data", "withdrawn")):
        for _again in range(2):
            assert withdraw(coordinator, randomized, level).status == status
    with acting(coordinator):
        levels = Withdrawal.objects.filter(participant=randomized).values_list("level", flat=True)
        assert list(levels) == ["treatment", "visits", "data"]
        records = Record.objects.filter(participant=randomized, form="withdrawal").order_by("repeat")
        assert [(one.repeat, one.data["level"]["value"]) for one in records] == [
            (1, "treatment"),
            (2, "visits"),
            (3, "data"),
        ]


def test_a_participant_who_completed_may_withdraw_the_use_of_data_and_has_still_completed(
    randomized, coordinator
):
    with acting(coordinator):
        participants.move(actor=coordinator, participant=randomized, to="completed")
    assert withdraw(coordinator, randomized, "data").status == "completed"
    with acting(coordinator):
        assert not Participant.objects.use_permitted().filter(pk=randomized.pk).exists()


def test_another_date_for_a_withdrawal_that_stands_is_refused(randomized, coordinator):
    withdraw(coordinator, randomized, "treatment")
    earlier = (today() - dt.timedelta(days=1)).isoformat()
    with pytest.raises((WithdrawalDiffers, VersionConflict)) as refused:
        withdraw(coordinator, randomized, "treatment", wddat=earlier)
    assert refused.value.status == 409


def test_who_is_not_in_the_trial_cannot_withdraw_from_treatment(participant, coordinator):
    with pytest.raises(StepRefused):
        withdraw(coordinator, participant, "treatment")


@pytest.mark.parametrize("level", ["everything", "", 7, None, ["visits"], {"value": ["x"]}, {"a": 1}, "\x00"])
def test_a_level_that_is_none_is_refused_by_name_and_stores_nothing(consented, coordinator, level):
    client = Client()
    client.force_login(coordinator)
    body = {"values": {"wddat": today().isoformat(), "level": level}}
    answer = client.post(
        f"/api/v1/participants/{consented.code}/withdrawal/", json.dumps(body), "application/json"
    )
    assert answer.status_code == 422 and "level" in answer.json()["fields"], answer.content
    with acting(coordinator):
        assert not Withdrawal.objects.exists()


def test_bare_sql_takes_no_withdrawal_back(committed, randomized, coordinator, raw):
    withdraw(coordinator, randomized, "treatment")
    for change in (
        "DELETE FROM participants_withdrawal",
        "UPDATE participants_withdrawal SET level = 'visits'",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            raw(change, actor=coordinator)


def test_whoever_failed_screening_withdraws_the_use_of_data_and_nothing_else(
    site_a, coordinator, investigator
):
    """Their entries are data as those of others are, and exports leave them out from then on."""
    failed = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    services.fail_screening(actor=coordinator, participant=failed, reason="declined")
    for level in ("treatment", "visits"):
        with pytest.raises(StepRefused):
            withdraw(coordinator, failed, level)
    with acting(coordinator):
        assert failed in Participant.objects.visible_to(coordinator).use_permitted()
    client = Client()
    client.force_login(coordinator)
    page = f"/admin/participant/{failed.code}/"
    assert f"{page}withdraw/" in client.get(page).content.decode()
    assert withdraw(coordinator, failed, "data").status == "screen_failed"
    with acting(coordinator):
        assert failed not in Participant.objects.visible_to(coordinator).use_permitted()
    assert f"{page}withdraw/" not in client.get(page).content.decode()
    with pytest.raises(UseOfDataWithdrawn):
        save_record(
            actor=coordinator,
            participant=failed,
            event="SCR",
            form="pain",
            values=casebook.pain(today(), 5),
            expected_version=1,
            reason="late",
        )
