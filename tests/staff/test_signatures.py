"""Electronic signatures: two components, bound to the content, fallen when it changes."""

import datetime as dt
import io
import threading

import psycopg
import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client
from django.utils.translation import override
from pypdf import PdfReader

from tests.conftest import PASSWORD
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment.services import sign_eligibility
from trialsite.staff import signatures
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Signature

CONTENT = {"b": 2, "a": "甲"}


def _sign(actor, site, password=PASSWORD, covers=(("record", 7, 1),)):
    return signatures.sign(
        actor=actor, password=password, meaning="I agree", content=CONTENT, covers=covers, site=site
    )


def test_a_signature_prints_name_time_and_meaning_and_binds_the_content(investigator, site_a):
    with acting(investigator):
        signed = _sign(investigator, site_a)
    assert (signed.printed_name, signed.meaning) == (investigator.full_name, "I agree")
    assert signed.content_hash == signatures.canonical_hash({"a": "甲", "b": 2})
    assert signed.standing


def test_a_wrong_password_signs_nothing(investigator, site_a):
    with acting(investigator), pytest.raises(WrongPassword):
        _sign(investigator, site_a, password="wrong horse battery")
    with acting(investigator):
        assert not Signature.objects.filter(signer=investigator).exists()


def test_refused_signatures_stand_in_the_trail_though_nothing_else_does(
    committed, site_a, coordinator, investigator, person
):
    """21 CFR 11.300(d): attempts at unauthorised use are found and reported."""
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    client = Client()
    client.force_login(investigator)
    path = f"/api/v1/participants/{participant.code}/casebook-signature/"
    for password in ("wrong horse battery", "", PASSWORD):
        client.post(path, {"password": password}, content_type="application/json")
    with acting(person("auditor")):
        refused = Event.objects.get(action="signature_refused")
        signed = Event.objects.filter(table_name="staff_signature", action="insert")
        assert signed.filter(actor_id=investigator.pk).count() == 1
    assert refused.actor_id == investigator.pk
    assert refused.site_id == site_a.pk
    assert refused.application == "api"
    assert "wrong_password" in str(refused.changes)
    assert "horse" not in str(refused.changes)


def test_it_falls_when_a_covered_record_changes_and_says_why(investigator, site_a):
    with acting(investigator):
        signed, other = _sign(investigator, site_a), _sign(investigator, site_a, covers=[("record", 8, 1)])
        assert signatures.fall(covers=[("record", 7)], reason="labs changed") == 1
        signed.refresh_from_db()
        other.refresh_from_db()
    assert (signed.standing, signed.fallen_reason, other.standing) == (False, "labs changed", True)


def test_a_signature_cannot_be_rewritten_or_deleted(investigator, site_a):
    with acting(investigator):
        signed = _sign(investigator, site_a)
        for change in (
            lambda: Signature.objects.filter(pk=signed.pk).update(meaning="something else"),
            lambda: Signature.objects.filter(pk=signed.pk)._raw_delete(using="default"),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()
        signed.refresh_from_db()
    assert signed.meaning == "I agree"


# Over real records ---------------------------------------------------------------------------------------------


@pytest.fixture
def eligible(committed, site_a, coordinator, investigator):
    return walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)


def test_raw_sql_that_changes_a_covered_record_ends_the_signature(eligible, raw, coordinator, investigator):
    heavier = "UPDATE casebook_record SET data = jsonb_set(data, '{weight,value}', '\"99\"')"
    change = f"{heavier} WHERE form = 'labs' RETURNING id"
    with pytest.raises(psycopg.errors.RestrictViolation, match="for a reason only"):
        raw(change, actor=coordinator)
    with acting(investigator):
        assert Signature.objects.standing().filter(signer=investigator).exists()
    raw(f"SELECT set_config('edc.reason', 'by hand', true); {change}", actor=coordinator)
    with acting(investigator):
        signed = Signature.objects.get(signer=investigator)
    assert (signed.standing, signed.fallen_reason) == (False, "SCR/labs: by hand")
    with pytest.raises(psycopg.errors.RestrictViolation, match="does not stand again"):
        raw("UPDATE staff_signature SET fallen_at = NULL WHERE fallen_at IS NOT NULL", actor=investigator)


def test_the_service_says_which_form_made_it_fall(eligible, coordinator, investigator):
    with acting(coordinator):
        record = eligible.records.get(form="pain", event="SCR")
    save_record(
        actor=coordinator,
        participant=eligible,
        event="SCR",
        form="pain",
        values=casebook.pain(record.observed_on, 8),
        expected_version=1,
        reason="asked again",
    )
    with acting(investigator):
        assert Signature.objects.get(signer=investigator).fallen_reason == "SCR/pain: asked again"


def test_of_two_sign_offs_at_once_one_signature_stands(committed, site_a, coordinator, investigator, person):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    day = clock.today(site_a.timezone) - dt.timedelta(days=3)
    start, wrong = threading.Barrier(2), []

    def work(actor):
        try:
            start.wait()
            sign_eligibility(actor=actor, participant=participant, password=PASSWORD, surgery_on=day)
        except Exception as error:  # noqa: BLE001 -- shown below
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(one,)) for one in (investigator, person("pi", site_a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with acting(coordinator):
        assert participant.verdicts.filter(signature__fallen_at=None).count() == 1


def test_it_reads_the_same_on_screen_on_paper_and_over_rest(eligible, investigator, coordinator_b):
    with acting(investigator):
        signed = Signature.objects.get(signer=investigator)
        covered = signed.covered.count()
    client, stranger = Client(), Client()
    client.force_login(investigator)
    stranger.force_login(coordinator_b)
    page = client.get(f"/admin/participant/{eligible.code}/").content.decode()
    told = client.get(f"/api/v1/signatures/{signed.pk}/").json()
    assert (told["printed_name"], told["standing"], len(told["covered"])) == (
        investigator.full_name,
        True,
        covered,
    )
    assert stranger.get(f"/api/v1/signatures/{signed.pk}/").status_code == 404
    with override("zh-hans"):
        lines = signatures.manifest(signed, zone="Asia/Shanghai")
    at = f"/api/v1/participants/{eligible.code}/casebook.pdf"
    paper = client.get(at, headers={"accept-language": "zh-hans"}).content
    printed = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    for value in (signed.printed_name, signed.content_hash):
        assert value in page
        assert value in printed.replace("\n", "")
    assert "签名人" in [label for label, _ in lines]
    assert "签名人" in printed
