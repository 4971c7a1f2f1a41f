"""The pages as each role meets them."""

import re

import pytest
from django.test import Client

from randomization.models import Allocation
from tests.conftest import walked_once
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.enrollment import services
from trialsite.outbox import services as outbox
from trialsite.participants.models import Participant
from trialsite.staff.models import system_actor

PAGES = [
    "/admin/",
    "/admin/worklist/",
    "/admin/participants/participant/",
    "/admin/visits/visit/",
    "/admin/sites/site/",
]


@pytest.fixture
def signed_in():
    def make(user, language="en"):
        client = Client(headers={"accept-language": language})
        client.force_login(user)
        return client

    return make


ward, site_a, coordinator, investigator, operated = walked_once(
    __name__, "operated", "operated", with_list=True
)


@pytest.mark.parametrize(
    ("role", "page", "way"),
    [
        ("coordinator", "/admin/worklist/", "/admin/register/"),
        ("administrator", "/admin/", "/admin/visits/holiday/"),
        ("administrator", "/admin/visits/holiday/", "/admin/visits/holiday/enter"),
        ("administrator", "/admin/visits/holiday/", "/admin/visits/holiday/complete"),
    ],
)
def test_a_way_leads_to_what_nobody_finds_by_the_address(
    committed, signed_in, person, site_a, role, page, way
):
    client = signed_in(person(role, site_a if role == "coordinator" else None))
    assert f'href="{way}' in client.get(page).content.decode()
    assert f'href="{way}' not in signed_in(person("auditor")).get(page).content.decode()


def test_roles_are_shown_by_their_names(committed, signed_in, person, site_a):
    person("trial_manager", site_a)
    shown = signed_in(person("administrator"), "zh-hans").get("/admin/staff/membership/").content.decode()
    assert "试验经理" in shown
    assert ">trial_manager<" not in shown


def test_a_stranger_is_sent_to_the_sign_in_page(committed):
    for page in [*PAGES, "/admin/participant/01-001/", "/admin/register/"]:
        answer = Client().get(page)
        assert (answer.status_code, "/admin/login/" in answer.headers["Location"]) == (302, True), page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_shows_in_both_languages(operated, signed_in, coordinator, language):
    client = signed_in(coordinator, language)
    pages = [
        *PAGES,
        "/admin/outbox/message/",
        "/admin/mail/",
        "/admin/casebook/query/",
        "/admin/casebook/record/",
    ]
    own = "/admin/participant/01-001/"
    steps = [
        "",
        "contact/",
        "randomize/",
        "withdraw/",
        "record_death/",
        "form/SCR/labs/",
        "form/RAND/recheck/",
    ]
    for page in [*pages, *(own + step for step in steps)]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert f'lang="{language}"' in answer.content.decode()


def test_another_hospitals_participant_is_not_found(operated, signed_in, coordinator_b):
    client = signed_in(coordinator_b)
    for page in ("", "consent/", "randomize/", "form/SCR/labs/", "contact/"):
        assert client.get(f"/admin/participant/01-001/{page}").status_code == 404
    absent = client.get("/admin/participant/01-999/")
    assert absent.content == client.get("/admin/participant/01-001/").content


def test_an_account_is_kept_by_its_number_and_an_address_without_one_is_not_found(
    committed, signed_in, person
):
    administrator = person("administrator")
    client = signed_in(administrator)
    keep = "/admin/staff/user/{}/keep/".format
    for asked in ("01-002", "x", "-1"):
        assert client.post(keep(asked)).status_code == 404, asked
    assert client.get(keep(administrator.pk)).url == f"/admin/people/{administrator.pk}/"


def test_an_administrator_reaches_no_clinical_page(operated, signed_in, person):
    client = signed_in(person("administrator"))
    assert client.get("/admin/staff/user/").status_code == 200
    for page in ("/admin/participant/01-001/", "/admin/worklist/", "/admin/participants/participant/"):
        assert client.get(page).status_code == 403


def test_randomizing_on_the_page_commits_once_for_a_double_click(operated, signed_in, coordinator):
    client = signed_in(coordinator)
    for _ in range(2):
        answer = client.post("/admin/participant/01-001/randomize/", {"key": "the-same-form-twice"})
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/participant/01-001/")
    assert "RFA_PVP" in client.get("/admin/participant/01-001/").content.decode()
    later = client.post("/admin/participant/01-001/randomize/", {"key": "a-form-opened-later"})
    assert (later.status_code, later.headers["Location"]) == (302, "/admin/participant/01-001/")
    for strange in ("[1]", '"SHGH"', '{"site": 1}', "1"):
        tampered = {"key": "a-form-made-by-hand", "strata": strange}
        refused = client.post("/admin/participant/01-001/randomize/", tampered)
        assert refused.status_code == 422, strange
    with acting(coordinator):
        assert Allocation.objects.count() == 1


def test_the_assessors_page_shows_no_arm(operated, signed_in, coordinator, assessor):
    signed_in(coordinator).post("/admin/participant/01-001/randomize/", {"key": "key-number-one"})
    page = signed_in(assessor).get("/admin/participant/01-001/").content.decode()
    assert "01-001" in page
    for telling in ("RFA_PVP", "SBRT"):
        assert telling not in page


def test_an_entry_that_is_refused_is_shown_again_and_nothing_is_saved(operated, signed_in, coordinator):
    client = signed_in(coordinator)
    sent = {"version": "1", "lbdat": "2026-01-01", "hgb": "12", "hgb__unit": "g/L", "reason": "typing error"}
    answer = client.post("/admin/participant/01-001/form/SCR/labs/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Was it measured in g/dL?" in page
    assert 'value="12"' in page
    with acting(coordinator):
        record = Participant.objects.get(code="01-001").records.get(form="labs")
    assert (record.version, record.data["hgb"]["value"]) == (1, "12.4")


def test_lists_cost_the_same_whatever_their_length(operated, signed_in, site_a, coordinator, investigator):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = signed_in(coordinator)

    def cost(page):
        client.get(page)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(page).status_code == 200
        return len(queries)

    before = {page: cost(page) for page in PAGES}
    for _ in range(3):
        walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    assert {page: cost(page) for page in PAGES} == before


def test_the_demos_mail_page_shows_chinese_mail_as_it_was_written(
    operated, signed_in, coordinator, settings, tmp_path, person, site_a
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    person("pi", site_a, language="zh-hans")
    signed_in(coordinator).post("/admin/participant/01-001/randomize/", {"key": "key-number-one"})
    outbox.send_due(actor=system_actor("system.outbox"))
    page = signed_in(coordinator).get("/admin/mail/").content.decode()
    assert "01-001 已随机" in page
    assert "\\u" not in page


def test_the_path_of_who_has_ended_claims_nothing_that_was_not_reached(
    operated, signed_in, coordinator, investigator, site_a
):
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    failed = walk("consented", pain={"worst": 3}, **team)
    services.fail_screening(actor=coordinator, participant=failed, reason="criteria")
    values = {"dthdat": clock.today("Asia/Shanghai").isoformat()}
    services.record_death(actor=coordinator, participant=operated, values=values)
    client = signed_in(coordinator)
    shown = []
    for one in (failed, operated):
        page = client.get(f"/admin/participant/{one.code}/").content.decode()
        path = page.split('class="ts-path"')[1].split("</div>")[0]
        shown.append(re.findall(r'<span class="(\w*)">(?:✓ )?([\w ]+)</span>', path))
    before = [("done", "registered"), ("done", "consented")]
    assert shown == [
        [*before, ("now", "screen failed")],
        [*before, ("done", "eligible"), ("done", "operated"), ("now", "deceased")],
    ]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Screening", "Laboratory", "Platelets (plt)", "Haemoglobin: 12.4 g/dL")),
        ("zh-hans", ("筛选", "实验室检查", "血小板 (plt)", "血红蛋白: 12.4 g/dL")),
    ],
)
def test_windows_on_records_and_queries_speak_in_words_and_lead_to_the_form(
    operated, signed_in, coordinator, language, words
):
    client = signed_in(coordinator, language)
    with acting(coordinator):
        labs = Record.objects.get(participant=operated, form="labs")
    save_record(
        actor=coordinator,
        participant=operated,
        event="SCR",
        form="labs",
        values={"plt": {"value": "640", "unit": "10^9/L"}},
        partial=True,
        expected_version=labs.version,
        reason="misread",
    )
    form = f'href="/admin/participant/{operated.code}/form/SCR/labs/1/"'
    queries = client.get("/admin/casebook/query/").content.decode()
    assert all(word in queries for word in (*words[:3], form))
    records = client.get("/admin/casebook/record/?form=labs").content.decode()
    assert all(word in records for word in (*words[:2], form))
    one = client.get(f"/admin/casebook/record/{labs.pk}/change/").content.decode()
    assert all(word in one for word in (*words[:2], words[3], form))
