"""Pages of the sealed list: installed against its published hash, envelopes under two signatures, the export."""

import datetime as dt
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from randomization.generation import envelopes
from randomization.models import Allocation, Scheme
from randomization.services import install_list
from randomization.steering import set_state
from tests.conftest import PASSWORD, make_person
from tests.path import walk
from tests.randomization import verifier
from tests.randomization.stories import SECRET, made_list, made_specification
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.sites.models import Site
from trialsite.staff.models import Signature, system_actor
from trialsite.staff.services import grant


def page_of(user):
    client = Client()
    client.force_login(user)
    return client


def sent(document, published):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"file": SimpleUploadedFile("list.json", text), "published": published}


@pytest.mark.usefixtures("committed")
def test_a_list_is_installed_on_a_page_against_its_published_hash(site_a, statistician, loader):
    client = page_of(statistician)
    assert "Install the sealed list" in client.get("/admin/randomization/overview/").content.decode()
    document = made_list()
    path = "/admin/randomization/install/"
    for wrong, word in (
        (sent(document, "0" * 64), "not the hash of the specification"),
        (sent(b"stratum,index,arm", document["specification_hash"]), "not a JSON object"),
        (sent({**document, "environment": "prod"}, document["specification_hash"]), "environment prod"),
    ):
        answer = client.post(path, wrong)
        assert answer.status_code == 422
        assert word in answer.content.decode()
    with acting(loader):
        assert not Scheme.objects.exists()
    assert client.post(path, sent(document, document["specification_hash"].upper())).status_code == 302
    shown = client.get("/admin/randomization/overview/").content.decode()
    assert document["strata"][0]["root"] in shown
    assert client.post(path, sent(document, document["specification_hash"])).status_code == 422


@pytest.mark.usefixtures("committed")
def test_an_opened_envelope_is_entered_on_a_page_by_two_people(
    site_a, coordinator, investigator, statistician
):
    install_list(actor=statistician, document=made_list(emergency=3), total_cap=120)
    specification = made_specification(emergency=3)
    paper = [one for one in envelopes(specification, [SECRET]) if one["stratum"] == "site=SHGH"]
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    client = page_of(coordinator)
    way = client.get(f"/admin/participant/{participant.code}/randomize/").content.decode()
    path = f"/admin/participant/{participant.code}/envelope/"
    assert path in way
    form = client.get(path).context["form"]
    other = make_person("coordinator", site_a)
    assert [name for name, _ in form.fields["second"].choices] == [investigator.username]
    opened = clock.local(clock.now() - dt.timedelta(minutes=30), "Asia/Shanghai")
    said = {
        "key": form.initial["key"],
        "number": 1,
        "arm": paper[0]["arm"],
        "check_code": paper[0]["check_code"],
        "opened_at": f"{opened:%Y-%m-%dT%H:%M}",
        "reason": "no power",
        "password": PASSWORD,
        "second": investigator.username,
        "second_password": PASSWORD,
    }
    for wrong in (
        {"second": other.username},
        {"second_password": "no"},
        {"number": 2},
        {"opened_at": ""},
        {"check_code": ""},
    ):
        assert client.post(path, said | wrong).status_code == 422
    assert client.post(path, said).status_code == 302
    with acting(coordinator):
        made = Allocation.objects.get()
        assert (made.participant_id, made.kind, made.arm) == (participant.pk, "emergency", paper[0]["arm"])
        signers = Signature.objects.filter(meaning__contains="opened envelope").values_list("signer_id")
        assert {pk for (pk,) in signers} == {coordinator.pk, investigator.pk}
    assert "1 / 3" in page_of(statistician).get("/admin/randomization/overview/").content.decode()


@pytest.mark.usefixtures("committed")
def test_the_export_is_taken_on_a_page_once_randomization_is_closed(
    site_a, coordinator, investigator, statistician, settings
):
    install_list(actor=statistician, document=made_list(), total_cap=120)
    walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
    client = page_of(statistician)
    path = "/admin/randomization/export/"
    settings.TRIALSITE_ENV = "prod"
    refused = client.post(path)
    assert (refused.status_code, "once randomization is closed" in refused.content.decode()) == (422, True)
    with acting(statistician):
        scheme = Scheme.objects.get()
    set_state(actor=statistician, scheme=scheme, state="closed", reason="recruitment is complete")
    settings.TRIALSITE_ENV = "demo"
    taken = client.post(path)
    assert "sealed-export-NCT06756087-1.json" in taken["Content-Disposition"]
    export = json.load(io.BytesIO(taken.content))
    assert verifier.load().verify(export, [SECRET], []) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("sealed")
def test_who_steers_the_list_at_one_hospital_is_offered_that_stratum_alone(site_a, site_b, statistician):
    """Pages of the whole trial opened for them, and refused them at the last button."""
    of_one, of_all = Client(), Client()
    of_one.force_login(make_person("statistician", site_a))
    of_all.force_login(statistician)
    for page in ("install", "export"):
        assert of_one.get(f"/admin/randomization/{page}/").status_code == 403
        assert of_all.get(f"/admin/randomization/{page}/").status_code == 200
    overview, steer = "/admin/randomization/overview/", "/admin/randomization/steer/"
    assert "/randomization/export/" not in of_one.get(overview).content.decode()
    assert "/randomization/export/" in of_all.get(overview).content.decode()
    shown = of_one.get(steer).content.decode()
    assert ("site=SHGH" in shown, "site=SMU3" in shown, "the whole trial" in shown) == (True, False, False)
    assert "the whole trial" in of_all.get(steer).content.decode()
    assert of_one.post(steer, {"stratum": "", "state": "paused", "reason": "x"}).status_code == 422
    asked = {"stratum": "site=SHGH", "state": "paused", "reason": "Surgery is closed for a week."}
    assert of_one.post(steer, asked).status_code == 302


def test_a_hospital_is_closed_on_the_page_that_asks_why_and_nowhere_else(site_a, site_b, trial_manager):
    """Two clicks in the list closed it for good, with a reason that nobody had given."""
    client = Client()
    client.force_login(trial_manager)
    listed = "/admin/sites/site/"
    client.post(listed, {"action": "close", "_selected_action": str(site_a.pk)})
    assert Site.objects.get(pk=site_a.pk).state == "active"
    assert "/admin/hospital/SHGH/" in client.get(listed).content.decode()
    # Seen there, managed elsewhere.
    of_one = make_person("trial_manager", site_b)
    grant(actor=system_actor("system.loader"), user=of_one, role="monitor", site=site_a, reason="helps out")
    client.force_login(of_one)
    assert client.get("/admin/hospital/SHGH/").status_code == 404
    assert client.get("/admin/hospital/SMU3/").status_code == 200


def test_a_hospital_is_paused_and_capped_with_a_reason_on_a_page_and_over_rest(site_a, trial_manager):
    client = page_of(trial_manager)
    assert "/admin/hospital/SHGH/" in client.get("/admin/sites/site/").content.decode()
    said = {"state": "paused", "limit": 5, "reason": "one theatre is closed"}
    assert client.post("/admin/hospital/SHGH/", said | {"reason": ""}).status_code == 422
    assert client.post("/admin/hospital/SHGH/", said).status_code == 302
    with acting(trial_manager):
        site = Site.objects.get(pk=site_a.pk)
        assert (site.state, site.limit) == ("paused", 5)
    with acting(make_person("auditor")):
        reasons = Event.objects.filter(table_name="sites_site", row_key=str(site.pk)).values_list("reason")
        assert ("one theatre is closed",) in list(reasons)
    answer = client.post(
        "/api/v1/sites/SHGH/limit/",
        {"limit": None, "reason": "open again"},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["limit"]) == (200, None)
    assert client.get("/admin/hospital/NONE/").status_code == 404
