"""The first signature of a session asks for a code of the second factor, the next do not (21 CFR 11.200(a)(1))."""

import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.path import walk
from tests.staff.test_signin import code_of, enrol, sign_in
from trialsite.audit.context import Origin, acting, coming_from
from trialsite.core import clock
from trialsite.staff import signatures
from trialsite.staff.errors import CodeNeeded, NoSecondFactor, TooManyAttempts, WrongCode, WrongPassword
from trialsite.staff.models import Signature


def sign(actor, site, **changes):
    words = {"password": PASSWORD, "meaning": "I agree", "content": {"a": 1}, "covers": [], "site": site}
    return signatures.sign(actor=actor, **{**words, **changes})


@pytest.fixture
def enrolled(committed, site_a, investigator):
    client = Client()
    sign_in(client, investigator)
    return enrol(client)


def test_the_first_of_each_session_asks_and_a_token_asks_every_time(enrolled, investigator, site_a):
    with coming_from(Origin(application="web", session="desk-one")):
        with pytest.raises(CodeNeeded):
            sign(investigator, site_a)
        with pytest.raises(WrongCode):
            sign(investigator, site_a, code="000000")
        sign(investigator, site_a, code=code_of(enrolled, 1))
        sign(investigator, site_a)
    with coming_from(Origin(application="web", session="desk-two")), pytest.raises(CodeNeeded):
        sign(investigator, site_a)
    with coming_from(Origin(application="api", session="")), pytest.raises(CodeNeeded):
        sign(investigator, site_a)
    with acting(investigator):
        assert Signature.objects.filter(signer=investigator).count() == 2


def test_a_wrong_passphrase_is_told_first_and_guessing_is_limited(enrolled, investigator, site_a):
    with coming_from(Origin(application="web", session="desk-one")):
        for _ in range(6):
            with pytest.raises(WrongPassword):
                sign(investigator, site_a, password="guess", code="000000")
        with pytest.raises(TooManyAttempts):
            sign(investigator, site_a, code=code_of(enrolled, 1))


def test_where_a_second_factor_is_required_nobody_signs_without(committed, investigator, site_a, settings):
    settings.MFA_REQUIRED = True
    with pytest.raises(NoSecondFactor):
        sign(investigator, site_a)


def test_the_page_asks_for_the_code_once(committed, sealed, site_a, coordinator, investigator):
    walk("consented", site=site_a, coordinator=coordinator, investigator=investigator, surgery_ago=0)
    client = Client()
    sign_in(client, investigator)
    page = "/admin/participant/01-001/sign_eligibility/"
    assert 'name="code"' not in client.get(page).content.decode()
    secret = enrol(client)
    assert 'name="code"' in client.get(page).content.decode()
    form = {"surgery_on": clock.today("Asia/Shanghai").isoformat(), "password": PASSWORD}
    assert "Enter the code" in client.post(page, form).content.decode()
    client.post(page, {**form, "code": code_of(secret, 1)})
    assert 'name="code"' not in client.get(page).content.decode()


def test_every_page_that_signs_takes_the_code(committed, site_a, person):
    """Delegation and review of access, each as the first signature of a session."""
    head = person("pi", site_a)
    nurse = person("coordinator", site_a)
    client = Client()
    sign_in(client, head)
    secret = enrol(client)
    delegation = {"site": "SHGH", "user": nurse.pk, "tasks": ["consent"], "password": PASSWORD}
    for page in ("/admin/roster/delegate/", "/admin/access/review/"):
        assert 'name="code"' in client.get(f"{page}?site=SHGH").content.decode(), page
    refused = client.post("/admin/roster/delegate/", delegation)
    assert (refused.status_code, "Enter the code" in refused.content.decode()) == (422, True)
    signed = client.post("/admin/roster/delegate/", {**delegation, "code": code_of(secret, 1)})
    assert signed.status_code == 302
    assert 'name="code"' not in client.get("/admin/access/review/?site=SHGH").content.decode()
