"""Entry as on paper: a form filled in by the keyboard alone, kept as a draft meanwhile, saved once by its button."""

import datetime as dt

from tests.acceptance.test_browser import Visitor, chromium, pytestmark  # noqa: F401
from tests.conftest import activate, make_person
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.enrollment import services


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


def test_every_kind_of_field_is_answered_by_the_keyboard_alone(served):
    """From the first field of a report of a serious event to its button: date, instants, text, reason, boxes, lists."""
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = walk("operated", site=site, coordinator=coordinator, investigator=investigator)
    today = clock.today(site.timezone)
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en-US", "en-keyboard")
        nurse.sign_in(coordinator.username)
        page, press = nurse.page, nurse.page.keyboard.press
        page.goto(f"{nurse.url}/admin/participant/{participant.code}/form/LOG/sae/1/")
        met = []

        def field():
            met.append(page.evaluate("document.activeElement.name || document.activeElement.type"))

        def enter(*keys, typed=""):
            """At the field that has the focus: what is typed, keys, and on by Enter."""
            field()
            page.keyboard.type(typed)
            for key in keys:
                press(key)
            press("Enter")

        day = f"{today:%m%d%Y}"
        enter(typed=day)
        field()
        page.keyboard.type(f"{day}1200AM")
        press("Enter")
        for _ in ("reportedat", "onwardat", "completeat", "closedat"):
            enter()
        enter(typed="sepsis")
        # The number of the event's record is not known yet: the reason beside it, by its first letters.
        field()
        press("Tab")
        enter(typed="unknown")
        enter("Tab", "Tab", "Space")  # the third box: hospital stay
        enter("ArrowDown", "ArrowDown")  # the third of five: possible
        enter("ArrowDown")  # the second: no
        field()
        page.keyboard.type("Fever.")
        press("Enter")
        page.keyboard.type("Blood culture taken.")
        press("Tab")
        enter()  # a text of several lines keeps its Enter; the reason beside it leads on
        enter(typed="recovering")
        field()
        with page.expect_navigation(wait_until="load"):
            press("Enter")
        assert page.url.endswith("/casebook/"), page.inner_text("body")
        assert met == [
            *("saestdat", "awareat", "reportedat", "onwardat", "completeat", "closedat", "saeterm"),
            *("saeno", "saeno__missing", "criteria", "saerel", "expected", "narrative", "narrative__missing"),
            *("saeout", "submit"),
        ]
        assert nurse.errors == []
    with acting(coordinator):
        record = Record.objects.get(participant=participant, form="sae")
    assert record.state == "complete"
    assert {name: entry.get("value", entry.get("missing")) for name, entry in record.data.items()} == {
        "saestdat": today.isoformat(),
        "awareat": f"{today.isoformat()}T00:00:00+08:00",
        "saeterm": "sepsis",
        "saeno": "unknown",
        "criteria": ["hospital"],
        "saerel": "possible",
        "expected": False,
        "narrative": "Fever.\nBlood culture taken.",
        "saeout": "recovering",
    }


def test_enter_in_the_words_of_a_reader_sends_nothing_else(served):
    """The data manager types why, presses Enter: the page must not take that for the first button it has."""
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    manager = make_person("data_manager")
    participant = walk("operated", site=site, coordinator=coordinator, investigator=investigator)
    with chromium() as browser:
        reader = Visitor(browser, served.url, "en", "en-reader")
        reader.sign_in(manager.username)
        page = reader.page
        page.goto(f"{reader.url}/admin/participant/{participant.code}/form/BL/pain/1/")
        page.fill("[name='text:']", "source under review")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.value") == "freeze:"
        with page.expect_navigation(wait_until="load"):
            page.keyboard.press("Enter")
        assert "frozen" in page.inner_text(".ts-badges")
        assert reader.errors == []


def test_reports_of_serious_events_stand_on_a_tablet_without_scrolling_sideways(served):
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = walk("operated", site=site, coordinator=coordinator, investigator=investigator)
    aware = clock.now() - dt.timedelta(hours=2)
    values = {
        "saestdat": clock.today(site.timezone).isoformat(),
        "awareat": clock.local(aware, site.timezone).isoformat(timespec="minutes"),
        "saeterm": "Pulmonary embolism",
        "criteria": ["life"],
    }
    save_record(
        actor=coordinator, participant=participant, event="LOG", form="sae", values=values, complete=False
    )
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "zh-CN", "zh-tablet")
        nurse.sign_in(coordinator.username)
        nurse.page.set_viewport_size({"width": 820, "height": 1180})
        nurse.page.goto(f"{nurse.url}/admin/safety/")
        widths = nurse.page.evaluate(
            "[...document.querySelectorAll('.ts-card')].map((one) => [one.scrollWidth, one.clientWidth])"
        )
        assert widths
        assert all(needed <= there for needed, there in widths), widths


def test_times_units_limits_and_partial_dates_are_entered_by_the_keyboard_alone(served):
    """Tab reaches the parts of a field, Enter the next one; what is typed is kept as a draft meanwhile."""
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    participant = walk("registered", site=site, coordinator=coordinator, investigator=investigator)
    signed = clock.now() - dt.timedelta(days=2)
    services.consent(
        actor=coordinator,
        participant=participant,
        form_version="1.0",
        patient_signed_at=signed,
        family_signed_at=signed,
    )
    today = clock.today(site.timezone)
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en-US", "en-parts")
        nurse.sign_in(coordinator.username)
        page, press = nurse.page, nurse.page.keyboard.press
        home = f"{nurse.url}/admin/participant/{participant.code}/form"

        def at():
            return page.evaluate("document.activeElement.name")

        page.goto(f"{home}/SCR/labs/")
        page.keyboard.type(f"{today:%m%d%Y}")
        press("Enter")
        assert at() == "lbtim"
        page.keyboard.type("1215AM")
        press("Enter")
        press("ArrowDown")  # the second of two: the trial
        press("Enter")
        assert at() == "wbc"
        page.keyboard.type("6200")
        press("Tab")
        assert at() == "wbc__unit"
        page.keyboard.type("/")  # its first letter
        while at() != "ast":
            press("Enter")
        page.keyboard.type("31")
        press("Tab")
        press("Tab")
        assert at() == "ast__uln"
        page.keyboard.type("40")
        press("Tab")
        page.wait_for_selector("#ts-draft >> text=Draft saved")
        page.goto(f"{home}/LOG/medication/1/")
        assert at() == "cmstdat"
        page.keyboard.type("2026-03")
        press("Enter")
        page.keyboard.type("paracetamol")
        press("Enter")
        page.wait_for_selector("#ts-draft >> text=Draft saved")
        assert nurse.errors == []
    with acting(coordinator):
        rows = Record.objects.filter(participant=participant, form__in=("labs", "medication"))
        stored = {f"{row.form}.{name}": entry for row in rows for name, entry in row.data.items()}
    assert (stored["labs.lbdat"]["value"], stored["labs.lbtim"]["value"]) == (today.isoformat(), "00:15")
    assert (stored["labs.wbc"]["value"], stored["labs.wbc"]["unit"], stored["labs.wbc"]["si"]) == (
        *("6200", "/µL"),
        "6.2",
    )
    assert (stored["labs.ast"]["value"], stored["labs.ast"]["uln"]) == ("31", "40")
    assert stored["medication.cmstdat"]["value"] == "2026-03"


# Fields of the form that are not wholly between the edges of the window.
_OUTSIDE = """() => [...document.querySelectorAll(".ts-row input:not([type=hidden]), .ts-row select, .ts-row textarea")]
  .filter((one) => one.offsetParent)
  .filter((one) => { const box = one.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth; })
  .map((one) => one.name)"""


def test_pages_fit_a_tablet_and_a_small_screen(served):
    """Nothing has to be pushed sideways to be read or filled in; a wide matrix scrolls inside its own frame."""
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    manager = make_person("data_manager")
    code = walk("operated", site=site, coordinator=coordinator, investigator=investigator).code
    forms = ("LOG/sae/1", "SCR/labs/1", "SCR/history/1", "M3/qlq_c30/1", "BL/sins/1", "LOG/medication/1")
    at_the_hospital = [f"participant/{code}/form/{form}/" for form in forms]
    at_the_hospital += [f"participant/{code}/casebook/", f"participant/{code}/", "safety/"]
    with chromium() as browser:
        for locale in ("en", "zh-CN"):
            for user, paths in (
                (coordinator, at_the_hospital),
                (manager, ["data-quality/", "database-lock/"]),
            ):
                visitor = Visitor(browser, served.url, locale, f"{locale}-fits")
                visitor.sign_in(user.username)
                for path in paths:
                    visitor.page.goto(f"{visitor.url}/admin/{path}")
                    for width in (1280, 820):
                        visitor.page.set_viewport_size({"width": width, "height": 1000})
                        visitor.shot(f"{path.strip('/').replace('/', '-')}-{width}")
                        over = visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                        assert over <= 0, f"{path} is {over} px too wide at {width}"
                        assert visitor.page.evaluate(_OUTSIDE) == [], path
                    # A request that is cut off by leaving the page is told as an error.
                    visitor.page.wait_for_function("!document.querySelector('.htmx-request')")
                assert visitor.errors == []
