"""Consent: only to a form approved there that day; signed anew after an amendment; withdrawn at three levels."""

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.participants.amendment import activate_at, amended, amended_again, form_at
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import VersionConflict
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.casebook.values import consent_facts
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.demo import casebook
from trialsite.enrollment import schedule, services
from trialsite.enrollment.errors import StepRefused
from trialsite.participants import services as participants
from trialsite.participants.errors import (
    ConsentDiffers,
    ConsentFormDiffers,
    TreatmentWithdrawn,
    UseOfDataWithdrawn,
    WithdrawalDiffers,
)
from trialsite.participants.models import ConsentForm, Participant, Withdrawal, owing_reconsent
from trialsite.roster.services import delegate
from trialsite.staff.services import end_membership
from visits import services as services_of_visits
from visits.models import Visit

HOUR = dt.timedelta(hours=1)


def ago(**span: int) -> dt.datetime:
    return clock.now() - dt.timedelta(**span)


def consent(actor: Any, participant: Any, version: str = "1.0", **changes: Any) -> Any:
    """Both signed an hour ago, unless told otherwise."""
    at = ago(hours=1)
    content: dict[str, Any] = {"patient_signed_at": at, "family_signed_at": at, **changes}
    step = services.consent if participant.status == "registered" else services.reconsent
    return step(actor=actor, participant=participant, form_version=version, **content)


def today() -> dt.date:
    return clock.today("Asia/Shanghai")


@pytest.fixture
def consented(site_a, coordinator, investigator):
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def amendment(committed, sealed, site_a, site_b):
    """Version 1.1, activated at both hospitals; the consent form 1.1 is approved at hospital A."""
    version = amended()
    manager = activate_at(version, site_a, site_b)
    form_at(manager, site_a, version)
    return version, manager


# The form ------------------------------------------------------------------------------------------------------


def test_a_form_that_is_not_approved_at_the_hospital_cannot_be_signed(participant, coordinator):
    with pytest.raises(Invalid) as refused:
        consent(coordinator, participant, "7.0")
    assert list(refused.value.fields) == ["form_version"]


def test_a_form_can_be_signed_from_the_local_day_of_its_approval_until_it_is_retired(
    participant, site_a, coordinator, trial_manager
):
    on = dt.date(2026, 3, 10)
    form = form_at(trial_manager, site_a, participant.protocol_version, "1.0a", approved_on=on)
    participants.retire_consent_form(
        actor=trial_manager, form=form, on=dt.date(2026, 3, 20), reason="Replaced."
    )

    def sign(local: str) -> Any:
        at = dt.datetime.fromisoformat(f"{local}+08:00")
        return consent(coordinator, participant, "1.0a", patient_signed_at=at, family_signed_at=at)

    for local, field in (
        ("2026-03-09T23:59:59", "patient_signed_at"),
        ("2026-03-20T00:00:00", "form_version"),
    ):
        with pytest.raises(Invalid) as refused:
            sign(local)
        assert list(refused.value.fields) == [field]
    # Already the 10th in Shanghai, still the 9th in UTC.
    assert sign("2026-03-10T00:00:01").form_version == "1.0a"


def test_bare_sql_cannot_record_a_consent_to_a_form_that_was_not_approved_that_day(
    committed, consented, coordinator, raw, site_a
):
    for version, at in (("7.0", "2026-03-10"), ("1.0", "2025-05-31")):
        with pytest.raises(psycopg.errors.CheckViolation, match="not approved here"):
            raw(
                "INSERT INTO participants_consent (created_at, form_version, patient_signed_at, participant_id,"
                " site_id, protocol_version_id, obtained_by_id) VALUES (now(), %s, %s, %s, %s, %s, %s)",
                version,
                at,
                consented.pk,
                site_a.pk,
                consented.protocol_version_id,
                coordinator.pk,
                actor=coordinator,
            )


def test_approvals_are_entered_by_the_trial_manager_once_and_never_changed(
    participant, site_a, coordinator, trial_manager
):
    version = participant.protocol_version
    form = form_at(trial_manager, site_a, version)
    assert form_at(trial_manager, site_a, version) == form
    with pytest.raises(ConsentFormDiffers):
        form_at(trial_manager, site_a, version, approved_on=dt.date(2026, 1, 11))
    with pytest.raises(Forbidden):
        form_at(coordinator, site_a, version, "1.2")
    for field, value in (
        ("approved_on", today() + dt.timedelta(days=1)),
        ("reference", " "),
        ("reference", "a\x00b"),
    ):
        with pytest.raises(Invalid) as refused:
            form_at(trial_manager, site_a, version, "1.3", **{field: value})
        assert list(refused.value.fields) == [field]


# The signatures ------------------------------------------------------------------------------------------------


def test_the_patient_always_signs_and_the_family_where_the_protocol_says_so(participant, coordinator):
    with pytest.raises(Invalid) as refused:
        consent(coordinator, participant, family_signed_at=None)
    assert list(refused.value.fields) == ["family_signed_at"]


def test_where_the_protocol_lets_the_patient_sign_alone_the_family_may_be_missing(
    committed, sealed, site_a, coordinator
):
    def change(document: Any) -> None:
        document["trial"]["settings"]["family_consent_required"]["value"] = False

    version = amended(change)
    form_at(activate_at(version, site_a), site_a, version)
    participant = services.register(actor=coordinator, site=site_a, registration_key="alone-0001")
    assert consent(coordinator, participant, "1.1", family_signed_at=None).family_signed_at is None


@pytest.mark.parametrize("name", ["patient_signed_at", "family_signed_at"])
def test_nobody_signs_in_the_future(participant, coordinator, name):
    with pytest.raises(Invalid) as refused:
        consent(coordinator, participant, "1.0", **{name: clock.now() + HOUR})
    assert list(refused.value.fields) == [name]


def test_whoever_obtained_it_holds_a_role_there_now(
    participant, coordinator, investigator, coordinator_b, monitor_of, loader
):
    for person in (coordinator_b, monitor_of(participant)):
        with pytest.raises(Invalid) as refused:
            consent(coordinator, participant, obtained_by=person)
        assert list(refused.value.fields) == ["obtained_by"]
    assert consent(coordinator, participant, obtained_by=investigator).obtained_by == investigator


def test_whose_role_has_ended_obtains_no_consent(participant, coordinator, person, site_a, loader):
    left = person("investigator", site_a)
    end_membership(actor=loader, membership=left.memberships.get(), reason="left")
    with pytest.raises(Invalid):
        consent(coordinator, participant, obtained_by=left)


def test_the_same_consent_again_is_the_same_row_and_another_is_refused(participant, coordinator):
    at = ago(hours=2)
    first = consent(coordinator, participant, patient_signed_at=at, family_signed_at=at)
    participant.status = "registered"
    assert consent(coordinator, participant, patient_signed_at=at, family_signed_at=at) == first
    with pytest.raises(ConsentDiffers):
        consent(coordinator, participant, patient_signed_at=at + HOUR, family_signed_at=at)


def test_whoever_obtained_it_stands_on_the_delegation_log_or_that_is_said(
    participant, coordinator, investigator, pi, trial_manager, site_a
):
    def told(reader):
        client = Client()
        client.force_login(reader)
        rows = client.get(f"/api/v1/participants/{participant.code}/consent/").json()
        return [row["delegated"] for row in rows]

    consent(coordinator, participant, obtained_by=investigator)
    assert told(coordinator) == [False]
    delegate(actor=pi, site=site_a, user=investigator, tasks=["consent"], password=PASSWORD)
    # What was signed before the delegation began stays as it was.
    assert told(coordinator) == [False]
    with acting(coordinator):
        protocol = Participant.objects.with_protocol().get(pk=participant.pk).protocol_version
    form_at(trial_manager, site_a, protocol, "1.0-b")
    participant.status = "consented"
    now = clock.now()
    consent(
        coordinator,
        participant,
        "1.0-b",
        patient_signed_at=now,
        family_signed_at=now,
        obtained_by=investigator,
    )
    assert sorted(told(coordinator)) == [False, True]


def test_a_protocol_may_refuse_a_consent_obtained_by_someone_not_on_the_log(
    committed, sealed, site_a, coordinator, pi
):
    def change(document: Any) -> None:
        document["trial"]["settings"]["undelegated_consent"]["value"] = "refuse"

    version = amended(change)
    form_at(activate_at(version, site_a), site_a, version)
    participant = services.register(actor=coordinator, site=site_a, registration_key="log-0001")
    with pytest.raises(Invalid) as refused:
        consent(coordinator, participant, "1.1")
    assert list(refused.value.fields) == ["obtained_by"]
    delegate(actor=pi, site=site_a, user=coordinator, tasks=["consent"], password=PASSWORD)
    now = clock.now()
    assert consent(coordinator, participant, "1.1", patient_signed_at=now, family_signed_at=now)


def test_a_family_that_signed_only_the_amended_form_consented_then(committed, sealed, site_a, coordinator):
    def change(document: Any) -> None:
        document["trial"]["settings"]["family_consent_required"]["value"] = False

    version = amended(change)
    manager = activate_at(version, site_a)
    form_at(manager, site_a, version)
    participant = services.register(actor=coordinator, site=site_a, registration_key="family-0001")
    consent(coordinator, participant, "1.1", patient_signed_at=ago(days=3), family_signed_at=None)
    with acting(coordinator):
        assert set(consent_facts(participant)) == {"consent.patient_signed_on"}
    form_at(manager, site_a, version, "1.2")
    participant.status = "consented"
    consent(coordinator, participant, "1.2", patient_signed_at=ago(days=1), family_signed_at=ago(days=1))
    with acting(coordinator):
        found = consent_facts(participant)
    assert {name: (one.shown[:10], one.source) for name, one in found.items()} == {
        "consent.patient_signed_on": (str(local(ago(days=3))), "consent 1.1"),
        "consent.family_signed_on": (str(local(ago(days=1))), "consent 1.2"),
    }


def local(at: dt.datetime) -> dt.date:
    return clock.local_date(at, "Asia/Shanghai")


# After an amendment --------------------------------------------------------------------------------------------


def owing(actor: Any) -> list[tuple[str, str | None, str]]:
    with acting(actor):
        rows: Any = owing_reconsent(actor, today())
        return [(one.code, one.signed_version, one.owed_version) for one in rows]


def test_an_amendment_is_owed_by_those_who_signed_before_and_are_still_in_the_trial(
    consented, amendment, site_a, site_b, coordinator, investigator, coordinator_b, person
):
    walk("registered", site=site_a, coordinator=coordinator, investigator=investigator)
    walk("consented", site=site_b, coordinator=coordinator_b, investigator=person("investigator", site_b))
    assert owing(coordinator) == [(consented.code, "1.0", "1.1")]
    assert owing(coordinator_b) == []
    consent(coordinator, consented, "1.1")
    assert owing(coordinator) == []


def test_a_form_that_asks_nobody_to_sign_anew_is_owed_by_nobody(
    consented, trial_manager, site_a, coordinator
):
    form_at(trial_manager, site_a, consented.protocol_version, reconsent=False)
    assert owing(coordinator) == []


def test_consent_to_the_amended_form_binds_to_its_version_and_records_keep_theirs(
    consented, amendment, coordinator
):
    version, _manager = amendment
    before = consented.protocol_version
    given = consent(coordinator, consented, "1.1")
    assert given.protocol_version_id == version.pk
    with acting(coordinator):
        participant = Participant.objects.get(pk=consented.pk)
        assert (participant.status, participant.protocol_version_id) == ("consented", version.pk)
        records = Record.objects.filter(participant=consented)
        assert set(records.values_list("protocol_version_id", flat=True)) == {before.pk}
    save_record(
        actor=coordinator,
        participant=participant,
        event="BL",
        form="pain",
        values=casebook.pain(today(), 5),
    )
    with acting(coordinator):
        assert Record.objects.get(participant=consented, event="BL").protocol_version_id == version.pk


def test_until_then_the_participant_stays_bound_to_the_version_signed(consented, amendment, coordinator):
    with acting(coordinator):
        assert Participant.objects.get(pk=consented.pk).protocol_version.version == "1.0"


def test_bare_sql_binds_nobody_to_a_version_without_a_consent(
    committed, consented, amendment, coordinator, raw
):
    version, _manager = amendment
    with pytest.raises(psycopg.errors.CheckViolation, match="by consent only"):
        raw("UPDATE participants_participant SET protocol_version_id = %s", version.pk, actor=coordinator)


def _another_limit(document):
    document["trial"]["settings"]["qtcf_limit_male"]["value"] = 440


def _another_visit(document):
    document["visits"] = [visit for visit in document["visits"] if visit["code"] != "M6"]


@pytest.mark.parametrize(
    ("status", "change", "stands"),
    [
        ("eligible", _another_limit, False),
        ("operated", _another_limit, False),
        ("operated", _another_visit, True),
    ],
)
def test_a_signature_on_eligibility_falls_where_the_version_consented_to_judges_otherwise(
    amendment, site_a, coordinator, investigator, status, change, stands
):
    version, _manager = amendment
    participant = walk(status, site=site_a, coordinator=coordinator, investigator=investigator)
    with acting(coordinator):
        assert participant.verdicts.get().signature.standing
    later = amended_again(version, change)
    form_at(activate_at(later, site_a), site_a, later, "1.2")
    consent(coordinator, participant, "1.2")
    with acting(coordinator):
        signature = participant.verdicts.get().signature
        assert signature.standing == stands
        assert stands or "1.2" in signature.fallen_reason


def test_a_form_of_a_version_that_is_not_activated_here_is_refused(
    consented, trial_manager, site_a, coordinator
):
    version = amended()
    form_at(trial_manager, site_a, version)
    with pytest.raises(Invalid) as refused:
        consent(coordinator, consented, "1.1")
    assert "not activated" in refused.value.fields["form_version"][0]


def test_a_signature_older_than_the_last_one_is_refused(consented, amendment, coordinator):
    at = ago(days=30)
    with pytest.raises(Invalid) as refused:
        consent(coordinator, consented, "1.1", patient_signed_at=at, family_signed_at=at)
    assert list(refused.value.fields) == ["patient_signed_at"]


def test_the_worklist_the_participants_page_and_rest_show_who_owes(consented, amendment, coordinator):
    client = Client()
    client.force_login(coordinator)
    for address in ("/admin/worklist/?kind=consents", "/api/v1/consents/owed/"):
        assert consented.code in client.get(address).content.decode()
    assert "1.1" in client.get(f"/admin/participant/{consented.code}/").content.decode()


# Withdrawal ----------------------------------------------------------------------------------------------------


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
    with acting(coordinator):
        assert Record.objects.filter(participant=randomized, event="SCR").exists()
        assert not Participant.objects.use_permitted().filter(pk=randomized.pk).exists()
    values = {"dthdat": today().isoformat(), "cause": "progression"}
    assert services.record_death(actor=coordinator, participant=randomized, values=values).status == "dead"


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


# Over HTTP -----------------------------------------------------------------------------------------------------

BAD_CONSENT: dict[str, list[Any]] = {
    "form_version": ["", "9" * 41, None, "7.0", "\x00"],
    "patient_signed_at": ["yesterday", None, "2026-02-30T10:00:00+08:00", 7, "2999-01-01T00:00:00+08:00"],
    "family_signed_at": ["soon", ["a"], "2999-01-01T00:00:00+08:00", None],
    "obtained_by": ["nobody", "", "\x00", 7],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD_CONSENT.items() for value in values]
)
def test_bad_input_of_a_consent_names_the_field_and_stores_nothing(participant, coordinator, field, value):
    client = Client()
    client.force_login(coordinator)
    at = ago(hours=1).isoformat()
    body = {"form_version": "1.0", "patient_signed_at": at, "family_signed_at": at, field: value}
    answer = client.post(
        f"/api/v1/participants/{participant.code}/consent/", json.dumps(body), "application/json"
    )
    assert answer.status_code == 422 and list(answer.json()["fields"]) == [field], answer.content
    with acting(coordinator):
        assert not participant.consents.exists()


def test_an_approval_is_entered_and_retired_on_the_pages(participant, trial_manager, site_a):
    client = Client()
    client.force_login(trial_manager)
    body = {
        "site": site_a.pk,
        "protocol_version": participant.protocol_version_id,
        "version": "1.1",
        "approved_on": "2026-01-10",
        "reference": "EC-2026-004",
        "reconsent": "on",
    }
    assert client.post("/admin/consent-forms/approve/", body).status_code == 302
    form = ConsentForm.objects.visible_to(trial_manager)
    with acting(trial_manager):
        made = form.get(version="1.1")
    retire = f"/admin/consent-forms/{made.pk}/retire/"
    early = client.post(retire, {"on": "2026-01-09", "reason": "Replaced."})
    assert early.status_code == 422
    assert client.post(retire, {"on": "2026-02-01", "reason": "Replaced."}).status_code == 302
    assert "2026-02-01" in client.get("/admin/consent-forms/").content.decode()
