"""The verdict beside a form, as someone types: in a browser, in both languages, with nothing stored."""

from tests.acceptance.test_browser import Visitor, chromium, pytestmark  # noqa: F401
from tests.conftest import activate, make_person
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record


def test_the_verdict_changes_with_every_value_that_is_typed(served):
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = walk("consented", site=site, coordinator=coordinator, investigator=investigator)
    with chromium() as browser:
        for locale in ("en", "zh-CN"):
            nurse = Visitor(browser, served.url, locale, f"{locale}-live")
            nurse.sign_in(coordinator.username)
            _type(nurse, participant.code)
            assert nurse.errors == []
    with acting(coordinator):
        versions = Record.objects.filter(participant=participant).values_list("version", flat=True)
        assert set(versions) == {1}, "nothing was stored"


def _type(nurse, code):
    """Values typed one after the other, and what the page says of them before anything is saved."""
    page = nurse.page
    page.goto(f"{nurse.url}/admin/participant/{code}/form/SCR/labs/")
    page.wait_for_selector("#live-I7a-4[data-state=met]")
    nurse.shot("labs-met")
    page.fill("[name=plt]", "49")
    page.wait_for_selector("#live-I7a-4[data-state=not_met]")
    page.fill("[name=plt]", "")
    page.wait_for_selector("#live-I7a-4[data-state=unknown]")
    page.fill("[name=hgb]", "12")
    page.select_option("[name=hgb__unit]", "g/L")
    page.wait_for_selector("#ts-verdict .ts-error")
    assert "g/dL" in page.inner_text("#ts-verdict .ts-error")
    nurse.shot("labs-unknown")
    page.goto(f"{nurse.url}/admin/participant/{code}/form/SCR/ecg/")
    page.fill("[name=qt]", "430")
    page.fill("[name=rate]", "68")
    page.wait_for_function("document.querySelector('#computed-qtcf').textContent == '448.32'")
    page.fill("[name=qt]", "450.01")
    page.fill("[name=rate]", "60")
    page.wait_for_selector("#live-I7d-2[data-state=not_met]")
    nurse.shot("ecg-not-met")
    page.goto(f"{nurse.url}/admin/participant/{code}/form/SCR/history/")
    page.wait_for_selector("[data-item=brain_silent].ts-not-asked")
    page.check("[name=brain][value=known]")
    page.wait_for_selector("#live-E2[data-state=unknown]")
    page.wait_for_selector("[data-item=brain_silent]:not(.ts-not-asked)")
