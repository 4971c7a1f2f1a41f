"""Signed anew after an amendment: who owes it, what binds whom to which version."""

from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.participants.amendment import activate_at, amended, amended_again, form_at
from tests.participants.test_consents import ago, consent, today
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core.errors import Invalid
from trialsite.demo import casebook
from trialsite.participants.models import Participant, owing_reconsent


@pytest.fixture
def amendment(committed, sealed, site_a, site_b):
    """Version 1.1, activated at both hospitals; the consent form 1.1 is approved at hospital A."""
    version = amended()
    manager = activate_at(version, site_a, site_b)
    form_at(manager, site_a, version)
    return version, manager


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


def test_a_form_is_neither_owed_nor_offered_before_its_version_is_activated_at_the_hospital(
    consented, trial_manager, site_a, coordinator
):
    """The committee approves the form first; signed now, it could not be recorded."""
    with acting(trial_manager):
        version = amended()
    form_at(trial_manager, site_a, version)
    client = Client()
    client.force_login(coordinator)

    def offered() -> list[str]:
        page = client.get(f"/admin/participant/{consented.code}/reconsent/")
        return [code for code, _label in page.context["form"].fields["form_version"].choices]

    assert (owing(coordinator), offered()) == ([], [])
    with pytest.raises(Invalid) as refused:
        consent(coordinator, consented, "1.1")
    assert list(refused.value.fields) == ["form_version"]
    activate_at(version, site_a)
    assert (owing(coordinator), offered()) == ([(consented.code, "1.0", "1.1")], ["1.1"])


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
