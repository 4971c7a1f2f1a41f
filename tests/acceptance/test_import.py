"""A long file of rows by a real browser, broker and worker: tried, progress watched, saved."""

import csv
import io

from tests.acceptance.test_browser import Visitor, chromium, pytestmark  # noqa: F401
from tests.conftest import activate, make_person
from tests.imports.conftest import consented
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.imports.models import Import

ROWS = 50


def test_a_long_file_is_tried_and_saved_while_someone_watches(served, tmp_path):
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = consented(site, coordinator, investigator)
    today = clock.today(site.timezone).isoformat()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["participant", "event", "repeat", "aestdat", "aeterm", "aetoxgr", "aeser"])
    for number in range(1, ROWS + 1):
        grade = "9" if number % 25 == 0 else "1"
        writer.writerow([participant.code, "LOG", number, today, f"event {number}", grade, "N"])
    (tmp_path / "rows.csv").write_text(out.getvalue(), encoding="utf-8")
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en-US", "import")
        nurse.sign_in(coordinator.username)
        page = nurse.page
        page.goto(f"{served.url}/admin/imports/")
        page.select_option("[name=form]", "adverse_event")
        page.set_input_files("[name=file]", tmp_path / "rows.csv")
        page.fill("[name=reason]", "transcribed from paper")
        nurse.shot("upload")
        page.click("text=Try the file")
        page.wait_for_selector("#ts-import[data-state=done]", timeout=60_000)
        nurse.shot("tried")
        assert page.locator("tr:has-text('aetoxgr')").count() == ROWS // 25
        page.click(f"text=Save {ROWS - 2} rows")
        page.wait_for_selector("text=saved for good")
        page.wait_for_selector("#ts-import[data-state=done]", timeout=60_000)
        nurse.shot("saved")
        assert nurse.errors == []
    with acting(coordinator):
        tried, saved = Import.objects.filter(requested_by=coordinator).order_by("pk")
        assert (tried.dry_run, tried.saved, tried.refused) == (True, ROWS - 2, 2)
        assert (saved.dry_run, saved.saved, saved.refused) == (False, ROWS - 2, 2)
        assert Record.objects.filter(participant=participant, form="adverse_event").count() == ROWS - 2
