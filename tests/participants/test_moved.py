"""A consent and a registration after a transfer: they stay those of the hospital where they were made."""

import datetime as dt
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.participants.amendment import activate_at, amended, form_at
from tests.participants.test_consents import ago, consent, today
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.core.errors import Invalid
from trialsite.enrollment import corrections, services
from trialsite.participants import services as participants
from trialsite.participants.errors import RegistrationMoved
from trialsite.participants.models import Consent, Participant, owing_reconsent
from trialsite.roster.services import delegate


@pytest.fixture
def here(committed, sealed, site_a, coordinator, investigator):
    """Consented at hospital A."""
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def move(trial_manager, site_b, coordinator_b):
    def to_b(participant: Participant) -> Participant:
        participants.transfer(actor=trial_manager, participant=participant, to=site_b, reason="Lives there.")
        with acting(coordinator_b):
            return Participant.objects.with_protocol().get(pk=participant.pk)

    return to_b


def correct(actor: Any, participant: Participant, **changes: Any) -> Consent:
    at = ago(days=9)
    content: dict[str, Any] = {
        "patient_signed_at": at,
        "family_signed_at": at,
        "form_version": "1.0",
        "expected_version": 1,
    }
    return corrections.correct_consent(
        actor=actor, participant=participant, reason="misread", **content | changes
    )


def owing(actor: Any) -> list[tuple[str, str, str]]:
    with acting(actor):
        rows: Any = owing_reconsent(actor, today())
        return [(one.code, one.signed_version, one.owed_version) for one in rows]


def test_the_log_that_counts_is_that_of_the_hospital_where_the_consent_was_obtained(
    committed, site_a, coordinator, pi, move, coordinator_b, person, site_b
):
    delegate(actor=pi, site=site_a, user=coordinator, tasks=["consent"], password=PASSWORD)
    participant = services.register(actor=coordinator, site=site_a, registration_key="on-the-log")
    consent(coordinator, participant, patient_signed_at=ago(), family_signed_at=ago())
    moved = move(participant)
    reader = person("investigator", site_b)
    with acting(reader):
        found: Any = Consent.objects.with_delegation().get(participant=moved)
        assert found.delegated
    client = Client()
    client.force_login(reader)
    (told,) = client.get(f"/api/v1/participants/{moved.code}/consent/").json()
    assert (told["obtained_at"], told["delegated"]) == ("SHGH", True)


def test_a_consent_is_corrected_by_the_form_that_was_signed(here, move, coordinator_b):
    """Hospital B has no form 1.0 of that day; the one that was signed is that of A."""
    moved = move(here)
    assert correct(coordinator_b, moved).version == 2
    with pytest.raises(Invalid) as refused:
        early = ago(days=4000)
        correct(coordinator_b, moved, patient_signed_at=early, expected_version=2)
    assert list(refused.value.fields) == ["patient_signed_at"]


def test_the_form_of_the_new_hospital_is_another_one_though_it_bears_the_same_name(
    here, site_b, move, coordinator_b, trial_manager
):
    assert owing(coordinator_b) == []
    form_at(trial_manager, site_b, here.protocol_version, "1.0b", approved_on=today())
    with acting(trial_manager):
        version = amended()
    form_at(activate_at(version, site_b), site_b, version, "1.0x", approved_on=today())
    moved = move(here)
    assert owing(coordinator_b) == [(moved.code, "1.0", "1.0x")]
    consent(coordinator_b, moved, "1.0x", patient_signed_at=ago(), family_signed_at=ago())
    assert owing(coordinator_b) == []


def test_a_form_of_the_same_name_is_signed_at_the_new_hospital_and_each_is_corrected_apart(
    here, site_a, site_b, move, coordinator_b
):
    moved = move(here)
    second = consent(coordinator_b, moved, "1.0", patient_signed_at=ago(), family_signed_at=ago())
    assert second.obtained_at_id == site_b.pk
    at = ago(days=10)
    assert (
        correct(
            coordinator_b, moved, obtained_at=site_a.pk, patient_signed_at=at, family_signed_at=at
        ).obtained_at_id
        == site_a.pk
    )
    with acting(coordinator_b):
        assert Consent.objects.get(pk=second.pk).version == 1


def test_two_registrations_with_one_key_meet_at_one_hospital(
    committed, site_a, site_b, coordinator, coordinator_b, move
):
    first, second = (
        services.register(actor=actor, site=site, registration_key="the-same-key")
        for actor, site in ((coordinator, site_a), (coordinator_b, site_b))
    )
    moved = move(first)
    assert (moved.site_id, moved.code) == (site_b.pk, first.code)
    again = services.register(actor=coordinator_b, site=site_b, registration_key="the-same-key")
    assert again.pk == second.pk
    with pytest.raises(RegistrationMoved):
        services.register(actor=coordinator, site=site_a, registration_key="the-same-key")


def test_the_family_signs_an_approved_form_too_and_a_correction_is_held_to_it(here, coordinator, raw):
    early = ago(days=4000)
    with pytest.raises(Invalid) as refused:
        correct(coordinator, here, family_signed_at=early)
    assert list(refused.value.fields) == ["family_signed_at"]
    with pytest.raises(psycopg.errors.CheckViolation, match="not approved here"):
        raw(
            "UPDATE participants_consent SET family_signed_at = %s, version = 2 WHERE participant_id = %s",
            early,
            here.pk,
            actor=coordinator,
        )


def test_who_obtained_it_and_which_form_was_signed_are_corrected_too(
    here, coordinator, investigator, trial_manager, site_a, coordinator_b
):
    client = Client()
    client.force_login(coordinator)
    at = ago(days=8)
    body = {
        "form_version": "1.0",
        "patient_signed_at": at.isoformat(),
        "family_signed_at": at.isoformat(),
        "version": 1,
        "reason": "read again",
    }
    page = f"/api/v1/participants/{here.code}/consent/"

    def put(**changes: Any) -> Any:
        return client.put(page, body | changes, "application/json")

    form_at(trial_manager, site_a, here.protocol_version, "1.0a")
    corrected = put(obtained_by=investigator.username, signed_version="1.0a")
    assert corrected.status_code == 200, corrected.content
    assert corrected.json()["obtained_by"] == investigator.username
    assert (corrected.json()["form_version"], corrected.json()["version"]) == ("1.0a", 2)
    body |= {"form_version": "1.0a", "version": 2}
    assert list(put(obtained_by=coordinator_b.username).json()["fields"]) == ["obtained_by"]
    assert list(put(obtained_by="nobody").json()["fields"]) == ["obtained_by"]
    assert list(put(obtained_at="NOWHERE").json()["fields"]) == ["obtained_at"]
    with acting(trial_manager):
        version = amended()
    form_at(activate_at(version, site_a), site_a, version)
    assert list(put(signed_version="1.1").json()["fields"]) == ["signed_version"]
    assert dt.datetime.fromisoformat(corrected.json()["patient_signed_at"]) == at


def test_the_page_corrects_what_rest_corrects(here, site_a, coordinator, investigator, trial_manager):
    """Who obtained it and which version was signed, not the times alone; a time that is left keeps its seconds."""
    at = ago(days=9).replace(second=17, microsecond=0)
    assert correct(coordinator, here, patient_signed_at=at, family_signed_at=at).version == 2
    form_at(trial_manager, site_a, here.protocol_version, "1.0b")
    with acting(trial_manager):
        other = amended()
    form_at(trial_manager, site_a, other, "2.0")
    with acting(coordinator):
        given = Consent.objects.get(participant=here)
    client = Client()
    client.force_login(coordinator)
    page = client.get(f"/admin/participant/{here.code}/consent/{given.pk}/correct/")
    form = page.context["form"]
    # What binds to another version of the protocol is a consent of its own.
    assert [code for code, _label in form.fields["signed_version"].choices] == ["1.0", "1.0b"]
    assert set(form.fields["obtained_by"].queryset) == {coordinator, investigator}
    sent = {name: form[name].value() for name in form.fields}
    shown = {
        name: value.strftime("%Y-%m-%dT%H:%M") if isinstance(value, dt.datetime) else value
        for name, value in sent.items()
    }
    changed = {"signed_version": "1.0b", "obtained_by": investigator.pk, "reason": "The other doctor did."}
    answer = client.post(page.request["PATH_INFO"], {**shown, **changed})
    assert answer.status_code == 302, answer.content.decode()
    with acting(coordinator):
        now = Consent.objects.get(pk=given.pk)
    assert (now.form_version, now.obtained_by_id, now.version) == ("1.0b", investigator.pk, 3)
    assert (now.patient_signed_at, now.family_signed_at) == (at, at)


def test_a_version_that_was_out_of_use_is_named_where_it_was_chosen(here, site_a, coordinator, trial_manager):
    later = form_at(trial_manager, site_a, here.protocol_version, "1.0b")
    participants.retire_consent_form(
        actor=trial_manager, form=later, on=later.approved_on, reason="Never printed."
    )
    with pytest.raises(Invalid) as refused:
        correct(coordinator, here, signed_version="1.0b")
    assert list(refused.value.fields) == ["signed_version"]
