"""A hospital uses a protocol version once two people have signed for it, and not before."""

import datetime as dt
import shutil
import threading
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from tests.conftest import PASSWORD
from trialsite.audit.context import acting
from trialsite.core.errors import DomainError, Forbidden, Invalid, NotFound
from trialsite.enrollment.services import register
from trialsite.protocol.services import load
from trialsite.sites.errors import (
    AlreadyActivated,
    ApprovalDiffers,
    NotApproved,
    NothingToCancel,
    SecondPersonNeeded,
)
from trialsite.sites.models import Activation, Site
from trialsite.sites.services import cancel_activation, set_state, sign_activation
from trialsite.staff import signatures
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Signature

APPROVAL = {"ethics_approved_on": dt.date(2026, 3, 2), "ethics_reference": "EC-2026-031"}


@pytest.fixture
def amended(data, loader, tmp_path):
    """Version 1.1 of the protocol, loaded and activated nowhere."""
    folder = tmp_path / "amended"
    shutil.copytree(Path(settings.BASE_DIR) / "protocols" / "nct06756087", folder)
    described = folder / "protocol.yaml"
    text = described.read_text(encoding="utf-8")
    described.write_text(text.replace('version: "1.0"', 'version: "1.1"', 1), encoding="utf-8")
    return load(actor=loader, folder=folder)


@pytest.fixture
def pi(person, site_a):
    return person("pi", site_a)


def sign(actor, site, version, password=PASSWORD, **changes):
    return sign_activation(
        actor=actor, site=site, version=version, password=password, **{**APPROVAL, **changes}
    )


def test_participants_come_under_the_new_version_only_where_both_have_signed(
    amended, site_a, site_b, pi, trial_manager, coordinator, coordinator_b
):
    def version_of(actor, site, key):
        return register(actor=actor, site=site, registration_key=key).protocol_version.version

    assert version_of(coordinator, site_a, "before-both") == "1.0"
    proposed = sign(pi, site_a, amended)
    assert (proposed.state, proposed.activated_at) == ("proposed", None)
    assert version_of(coordinator, site_a, "after-one") == "1.0"
    active = sign(trial_manager, site_a, amended)
    assert (active.state, active.activated_at is not None) == ("active", True)
    assert version_of(coordinator, site_a, "after-two") == "1.1"
    assert version_of(coordinator_b, site_b, "elsewhere") == "1.0"


def test_one_person_or_one_side_never_signs_twice(amended, site_a, pi, person, trial_manager):
    sign(pi, site_a, amended)
    with pytest.raises(SecondPersonNeeded):
        sign(pi, site_a, amended)
    with pytest.raises(SecondPersonNeeded):
        sign(person("pi", site_a), site_a, amended)
    sign(trial_manager, site_a, amended)
    with pytest.raises(AlreadyActivated):
        sign(trial_manager, site_a, amended)


def test_both_sign_under_the_same_ethics_approval(amended, site_a, pi, trial_manager):
    sign(trial_manager, site_a, amended)
    for change in ({"ethics_approved_on": dt.date(2026, 3, 3)}, {"ethics_reference": "EC-2026-032"}):
        with pytest.raises(ApprovalDiffers):
            sign(pi, site_a, amended, **change)
    with acting(pi):
        assert Signature.objects.filter(signer=pi).count() == 0


def test_a_date_to_come_an_empty_reference_or_a_wrong_password_stores_nothing(amended, site_a, pi):
    for change, field in (
        ({"ethics_approved_on": dt.date(2999, 1, 1)}, "ethics_approved_on"),
        ({"ethics_reference": "  "}, "ethics_reference"),
    ):
        with pytest.raises(Invalid) as refused:
            sign(pi, site_a, amended, **change)
        assert field in refused.value.fields
    with pytest.raises(WrongPassword):
        sign(pi, site_a, amended, password="wrong horse battery")
    with acting(pi):
        assert not Activation.objects.filter(protocol_version=amended).exists()


def test_only_the_investigator_in_chief_and_the_trial_manager_sign(
    amended, site_a, site_b, pi, coordinator, person
):
    for stranger in (coordinator, person("monitor"), person("administrator")):
        with pytest.raises(Forbidden):
            sign(stranger, site_a, amended)
    with pytest.raises(NotFound):
        sign(pi, site_b, amended)


def test_a_wrong_proposal_is_cancelled_with_a_reason_and_its_signature_falls(
    amended, site_a, pi, trial_manager
):
    proposed = sign(pi, site_a, amended)
    with pytest.raises(Invalid):
        cancel_activation(actor=pi, activation=proposed, reason=" ")
    cancel_activation(actor=trial_manager, activation=proposed, reason="date of the draft")
    with acting(pi):
        fallen = proposed.signatures.get().signature
        assert (fallen.standing, fallen.fallen_reason) == (False, "date of the draft")
    sign(pi, site_a, amended, ethics_approved_on=dt.date(2026, 3, 9))
    active = sign(trial_manager, site_a, amended, ethics_approved_on=dt.date(2026, 3, 9))
    with pytest.raises(NothingToCancel):
        cancel_activation(actor=pi, activation=active, reason="changed my mind")


def test_a_hospital_without_an_activated_version_does_not_open(data, loader, trial_manager):
    with acting(loader):
        new = Site.objects.create(
            code="NEW", number="09", name_en="New", name_zh="新", timezone="Asia/Shanghai", target=1
        )
    with pytest.raises(NotApproved):
        set_state(actor=trial_manager, site=new, state="active", reason="eager")


def test_not_even_raw_sql_activates_a_version_under_one_signature(
    committed, amended, site_a, pi, trial_manager, raw
):
    proposed = sign(pi, site_a, amended)
    activate = "UPDATE sites_activation SET state = 'active', activated_at = now() WHERE id = %s"
    with pytest.raises(psycopg.errors.RestrictViolation, match="two standing signatures"):
        raw(activate, proposed.pk, actor=trial_manager)
    sign(trial_manager, site_a, amended)
    with pytest.raises(psycopg.errors.RestrictViolation, match="stays so"):
        raw(
            "UPDATE sites_activation SET state = 'cancelled', activated_at = NULL WHERE id = %s",
            proposed.pk,
            actor=trial_manager,
        )


def test_of_two_who_sign_for_one_side_at_once_one_is_told(committed, amended, site_a, pi, person):
    other, answers = person("pi", site_a), []
    start = threading.Barrier(2)

    def work(actor):
        try:
            start.wait()
            sign(actor, site_a, amended)
            answers.append("signed")
        except DomainError as error:
            answers.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(one,)) for one in (pi, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["second_person_needed", "signed"]


def test_over_rest_and_on_the_page(committed, amended, site_a, pi, trial_manager):
    client, manager = Client(), Client(headers={"accept-language": "zh-hans"})
    client.force_login(pi)
    manager.force_login(trial_manager)
    body = {
        "version": "1.1",
        "ethics_approved_on": "2026-03-02",
        "ethics_reference": "EC-2026-031",
        "password": PASSWORD,
    }
    path = "/api/v1/sites/SHGH/activations/"
    unknown = client.post(path, {**body, "version": "7"}, content_type="application/json")
    assert unknown.status_code == 404
    first = client.post(path, body, content_type="application/json").json()
    assert (first["state"], [one["side"] for one in first["signatures"]]) == ("proposed", ["hospital"])
    form = manager.get("/admin/activations/SHGH/1.1/sign/").content.decode()
    assert "EC-2026-031" in form
    assert pi.full_name in form
    answer = manager.post("/admin/activations/SHGH/1.1/sign/", body)
    assert answer.status_code == 302
    listed = client.get(path).json()
    assert [(one["version"], one["state"], len(one["signatures"])) for one in listed] == [
        ("1.1", "active", 2),
        ("1.0", "active", 2),
    ]
    assert trial_manager.full_name in client.get("/admin/activations/").content.decode()


def test_a_proposal_is_not_cancelled_under_its_second_signature(
    committed, amended, site_a, pi, trial_manager, monkeypatch
):
    """Who cancels waits for who signs: an activation in force rested on a signature that had fallen."""
    proposed, answers, put = sign(pi, site_a, amended), [], signatures.sign

    def cancel():
        try:
            cancel_activation(actor=pi, activation=proposed, reason="wrong date")
            answers.append("cancelled")
        except DomainError as error:
            answers.append(error.code)
        finally:
            connections.close_all()

    other = threading.Thread(target=cancel)

    def meanwhile(**given):
        made = put(**given)
        other.start()
        other.join(timeout=1)
        return made

    monkeypatch.setattr(signatures, "sign", meanwhile)
    active = sign(trial_manager, site_a, amended)
    other.join()
    assert (active.state, answers) == ("active", [NothingToCancel.code])
    with acting(pi):
        assert not Signature.objects.filter(fallen_at__isnull=False).exists()
