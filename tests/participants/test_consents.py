"""Consent: only to a form approved there that day, signed by whom the protocol asks, obtained by whoever may."""

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.participants.amendment import activate_at, amended, form_at
from trialsite.audit.context import acting
from trialsite.casebook.values import consent_facts
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.enrollment import services
from trialsite.participants import services as participants
from trialsite.participants.errors import (
    ConsentDiffers,
    ConsentFormDiffers,
)
from trialsite.participants.models import ConsentForm, Participant
from trialsite.roster.services import delegate
from trialsite.staff.services import end_membership

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
        assert next(iter(refused.value.fields)) == field
    # Already the 10th in Shanghai, still the 9th in UTC.
    assert sign("2026-03-10T00:00:01").form_version == "1.0a"


def test_bare_sql_cannot_record_a_consent_to_a_form_that_was_not_approved_that_day(
    committed, consented, coordinator, raw, site_a
):
    for version, at in (("7.0", "2026-03-10"), ("1.0", "2025-05-31")):
        with pytest.raises(psycopg.errors.CheckViolation, match="not approved here"):
            raw(
                "INSERT INTO participants_consent (created_at, form_version, patient_signed_at, participant_id,"
                " site_id, obtained_at_id, protocol_version_id, obtained_by_id)"
                " VALUES (now(), %s, %s, %s, %s, %s, %s, %s)",
                version,
                at,
                consented.pk,
                site_a.pk,
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


def test_the_same_consent_again_is_the_same_row_and_another_is_refused(
    participant, coordinator, investigator
):
    at = ago(hours=2)
    first = consent(coordinator, participant, patient_signed_at=at, family_signed_at=at)
    participant.status = "registered"
    assert consent(coordinator, participant, patient_signed_at=at, family_signed_at=at) == first
    with pytest.raises(ConsentDiffers):
        consent(coordinator, participant, patient_signed_at=at + HOUR, family_signed_at=at)
    with pytest.raises(ConsentDiffers):
        consent(coordinator, participant, patient_signed_at=at, family_signed_at=at, obtained_by=investigator)


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
