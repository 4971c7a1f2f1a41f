"""Entry as on paper: a form filled in by the keyboard alone, kept as a draft meanwhile, saved once by its button."""

from tests.acceptance.test_browser import Visitor, chromium, pytestmark  # noqa: F401
from tests.conftest import activate, make_person
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record


def test_a_form_is_filled_in_by_the_keyboard_alone(served):
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = walk("operated", site=site, coordinator=coordinator, investigator=investigator)
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en", "en-entry")
        nurse.sign_in(coordinator.username)
        page = nurse.page
        page.goto(f"{nurse.url}/admin/participant/{participant.code}/form/W1/vitals/")
        page.fill("[name=vsdat]", page.evaluate("new Date().toISOString().slice(0, 10)"))
        seen = []
        for typed in ("", "400", "80", "72", "36.6", "61"):
            seen.append(page.evaluate("document.activeElement.name"))
            page.keyboard.type(typed)
            page.keyboard.press("Enter")
        assert seen == ["vsdat", "sysbp", "diabp", "pulse", "temp", "weight"]
        page.wait_for_selector("#faults-sysbp .ts-error")
        page.fill("[name=sysbp]", "120")
        page.locator("[name=sysbp]").blur()
        page.wait_for_selector("#faults-sysbp .ts-error", state="detached")
        page.wait_for_selector("#ts-draft >> text=Draft saved")
        assert page.input_value("[name=version]") != "0"
        page.fill("[name=pulse]", "74")
        page.keyboard.press("Enter")
        nurse.save()
        assert page.url.endswith("/casebook/"), page.inner_text("body")
        assert nurse.errors == []
    with acting(coordinator):
        record = Record.objects.get(participant=participant, form="vitals")
    assert (record.state, record.data["pulse"]["value"]) == ("complete", "74")
