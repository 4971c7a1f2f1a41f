"""The path by clicks, as a coordinator and an investigator take it, in both languages; with screenshots to look at."""

import contextlib
import datetime as dt
import io
import os
import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.conftest import PASSWORD, activate, make_person
from tests.path import walk
from tests.staff.test_signin import code_of
from trialsite.core import clock
from trialsite.demo import casebook

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = os.environ.get("TRIALSITE_REQUIRE_BROWSER") == "1"
# Where pictures go, if anywhere: `make screenshots` asks for them, and they take a third of a page's time.
SHOTS = os.environ.get("TRIALSITE_SCREENSHOTS")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.acceptance,
    pytest.mark.skipif(not CHROMIUM and not REQUIRED, reason="no chromium: the BROWSER TESTS ARE LEFT OUT"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextlib.contextmanager
def chromium():
    """A headless browser. While it runs, an event loop stands in this thread: prepare the database before."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "a browser is required here: install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Visitor:
    """One person at one browser window; every error in the page's console is a failure."""

    def __init__(self, browser, url, locale, name):
        self.page = browser.new_context(viewport={"width": 1280, "height": 900}, locale=locale).new_page()
        self.url, self.name = url, name
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message):
        if message.type == "error" and "422" not in message.text:
            self.errors.append(message.text)

    def sign_in(self, username):
        self.page.goto(f"{self.url}/admin/")
        self.shot("sign-in")
        self.page.fill("#id_login", username)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("#login-form button[type=submit]")
        self.page.wait_for_selector(".ts")

    def shot(self, name):
        if SHOTS:
            self.page.screenshot(path=Path(SHOTS) / f"{self.name}-{name}.png", full_page=True)

    def set_up_second_factor(self):
        """As on the first day; returns the secret that the telephone keeps."""
        self.page.goto(f"{self.url}/admin/account/")
        self.shot("account")
        self.page.goto(f"{self.url}/admin/account/second-factor/set-up/")
        self.shot("second-factor")
        secret = self.page.inner_text(".ts-factor code")
        self.page.fill("#id_code", code_of(secret))
        self.save()
        assert self.page.locator(".ts-codes li").count() == 10
        self.shot("recovery-codes")
        return secret

    def save(self):
        with self.page.expect_navigation(wait_until="load"):
            self.page.click("button.ts-button[type=submit]")


def _enter(visitor, form, values):
    """Fill in a form's page from the values of its items."""
    page = visitor.page
    for name, value in values.items():
        entry = value if isinstance(value, dict) else {"value": value}
        given = entry["value"]
        field = page.locator(f"[name='{name}']")
        kind = field.first.evaluate("node => node.type || node.tagName")
        if kind in ("radio", "checkbox"):
            for code in (
                given
                if isinstance(given, list)
                else [str(given).lower() if isinstance(given, bool) else given]
            ):
                page.check(f"[name='{name}'][value='{code}']")
        elif kind.startswith("select"):
            field.select_option(given)
        else:
            field.fill(str(given))
        if entry.get("uln"):
            page.fill(f"[name='{name}__uln']", entry["uln"])
        if entry.get("unit") and page.locator(f"[name='{name}__unit']").count():
            page.select_option(f"[name='{name}__unit']", entry["unit"])
    visitor.save()


def test_the_path_by_clicks(served, sealed):
    site = activate("SHGH")
    coordinator, investigator = (make_person(role, site) for role in ("coordinator", "investigator"))
    team = {"site": site, "coordinator": coordinator, "investigator": investigator}
    screened = walk("consented", **team, surgery_ago=0).code
    operated = {locale: walk("operated", **team).code for locale in ("en", "zh-CN")}
    with chromium() as browser:
        for locale, other in operated.items():
            nurse = Visitor(browser, served.url, locale, locale)
            nurse.sign_in(coordinator.username)
            nurse.shot("dashboard")
            code = _register_and_consent(nurse)
            # Every form in one language; in the other the one with a mistake, and on with someone screened already.
            _screen(nurse, code, only=None if locale == "en" else "labs")
            code = code if locale == "en" else screened
            doctor = Visitor(browser, served.url, locale, f"{locale}-doctor")
            doctor.sign_in(investigator.username)
            _sign(doctor, code)
            _operate(nurse, code)
            _randomize_the_other(nurse, other)
            assert nurse.errors == []
            assert doctor.errors == []


def test_the_door_with_a_second_factor(served):
    """Set up on the first day, asked for on the next; an administrator invites; every page without a script error."""
    site = activate("SHGH")
    nurses = {locale: make_person("coordinator", site) for locale in ("en", "zh-CN")}
    keeper = make_person("administrator")
    with chromium() as browser:
        for locale, nurse in nurses.items():
            _through_the_door(browser, served.url, locale, nurse, keeper)


def _through_the_door(browser, url, locale, nurse, keeper):
    first = Visitor(browser, url, locale, f"{locale}-door")
    first.sign_in(nurse.username)
    secret = first.set_up_second_factor()
    for name, path in (
        ("tokens", "tokens/"),
        ("token-new", "tokens/new/"),
        ("passphrase", "passphrase/"),
    ):
        first.page.goto(f"{url}/admin/account/{path}")
        first.shot(name)
    again = Visitor(browser, url, locale, f"{locale}-door-again")
    again.page.goto(f"{url}/admin/")
    again.page.fill("#id_login", nurse.username)
    again.page.fill("#id_password", PASSWORD)
    again.page.click("#login-form button[type=submit]")
    again.page.fill("#id_code", "000000")
    again.page.click("#code-form button[type=submit]")
    again.shot("wrong-code")
    again.page.fill("#id_code", code_of(secret, 1))
    again.page.click("#code-form button[type=submit]")
    again.page.wait_for_selector(".ts")
    administrator = Visitor(browser, url, locale, f"{locale}-administrator")
    administrator.sign_in(keeper.username)
    administrator.page.goto(f"{url}/admin/people/invite/")
    administrator.shot("invite")
    administrator.page.goto(f"{url}/admin/people/{nurse.pk}/")
    administrator.shot("person")
    administrator.page.goto(f"{url}/admin/staff/user/")
    administrator.shot("users")
    for visitor in (first, again, administrator):
        assert visitor.errors == []


def _register_and_consent(nurse):
    page = nurse.page
    page.goto(f"{nurse.url}/admin/register/")
    page.fill("[name=name]", f"演示 {nurse.name}")
    page.fill("[name=birth_date]", "1961-04-12")
    page.fill("[name=last_digits]", "002X")
    nurse.save()
    code = page.url.split("/")[-2]
    assert page.url.endswith(f"/admin/participant/{code}/")
    nurse.shot("participant-registered")
    page.click("a.ts-button")
    before = (clock.now() - dt.timedelta(days=5)).strftime("%Y-%m-%dT%H:%M")
    page.fill("[name=patient_signed_at]", before)
    page.fill("[name=family_signed_at]", before)
    nurse.save()
    return code


def _screen(nurse, code, only=None):
    page = nurse.page
    day = clock.today("Asia/Shanghai") - dt.timedelta(days=1)
    for form, values in casebook.screening(day).items():
        if only not in (None, form):
            continue
        page.goto(f"{nurse.url}/admin/participant/{code}/form/SCR/{form}/")
        if form == "labs":
            _enter(nurse, form, {**values, "hgb": {"value": "12", "unit": "g/L"}})
            assert "g/dL" in page.locator(".ts-error").first.inner_text()
            assert page.input_value("[name=wbc]") == "6.2", "nothing that was entered is lost"
            nurse.shot("form-with-error")
        _enter(nurse, form, values)
        assert page.url.endswith(f"/admin/participant/{code}/casebook/"), page.inner_text("body")
    nurse.shot("casebook-screened")
    page.goto(f"{nurse.url}/admin/participant/{code}/")
    nurse.shot("participant-screened")


def _sign(doctor, code):
    page = doctor.page
    page.goto(f"{doctor.url}/admin/participant/{code}/")
    page.click("a.ts-button")
    page.fill("[name=surgery_on]", clock.today("Asia/Shanghai").isoformat())
    page.fill("[name=password]", PASSWORD)
    doctor.shot("sign")
    doctor.save()
    assert page.locator(".ts-tag.met").count() > 30


def _operate(nurse, code):
    page = nurse.page
    page.goto(f"{nurse.url}/admin/participant/{code}/form/BL/pain/")
    _enter(nurse, "pain", casebook.pain(clock.today("Asia/Shanghai") - dt.timedelta(days=1), 7))
    page.goto(f"{nurse.url}/admin/participant/{code}/")
    page.click("a.ts-button")
    _enter(nurse, "surgery", casebook.surgery(clock.today("Asia/Shanghai")))
    nurse.shot("participant-operated")
    assert page.url.endswith(f"/admin/participant/{code}/")


def _printed(page):
    """What stands on the paper of a page."""
    return "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(page.pdf())).pages)


def _randomize_the_other(nurse, code):
    """`code` was operated three days ago and can be randomized today."""
    page = nurse.page
    page.goto(f"{nurse.url}/admin/participant/{code}/")
    page.click("a.ts-button")
    nurse.shot("randomize")
    nurse.save()
    assert "RFA_PVP" in page.inner_text(".ts")
    nurse.shot("participant-randomized")
    page.goto(f"{nurse.url}/admin/participant/{code}/certificate/")
    assert page.inner_text(".ts-hash") in _printed(page), "not an empty sheet"
    page.goto(f"{nurse.url}/admin/worklist/")
    nurse.shot("worklist")


def test_dates_are_typed_without_a_pause_and_never_lost_by_half(served):
    """Browsers take years of six digits, and send what is typed by half as if nothing stood there."""
    site = activate("SHGH")
    coordinator = make_person("coordinator", site)
    team = {"site": site, "coordinator": coordinator, "investigator": make_person("investigator", site)}
    new, code = (walk(status, **team).code for status in ("registered", "consented"))
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en-US", "typed")
        nurse.sign_in(coordinator.username)
        page = nurse.page
        for path, name in ((f"{code}/form/LOG/sae/1/", "awareat"), (f"{new}/consent/", "patient_signed_at")):
            page.goto(f"{served.url}/admin/participant/{path}")
            page.focus(f"[name={name}]")
            page.keyboard.type("081420260930AM")
            assert page.input_value(f"[name={name}]") == "2026-08-14T09:30"
        page.goto(f"{served.url}/admin/participant/{code}/form/SCR/labs/")
        page.focus("#id_lbtim")
        page.keyboard.type("09")
        page.click("button.ts-button[type=submit]")
        assert page.evaluate("document.activeElement.id") == "id_lbtim"
        assert page.locator(".ts-error").count() == 0, "nothing was sent"
        page.keyboard.type("0930AM")
        nurse.save()
        assert page.input_value("#id_lbtim") == "09:30"


def test_the_casebook_fits_a_tablet_held_upright(served):
    site = activate("SHGH")
    coordinator = make_person("coordinator", site)
    code = walk(
        "consented", site=site, coordinator=coordinator, investigator=make_person("investigator", site)
    ).code
    with chromium() as browser:
        nurse = Visitor(browser, served.url, "en-US", "tablet")
        nurse.sign_in(coordinator.username)
        nurse.page.set_viewport_size({"width": 768, "height": 1024})
        nurse.page.goto(f"{served.url}/admin/participant/{code}/casebook/")
        log = nurse.page.locator(".ts-matrix thead th").last.bounding_box()
        assert log["x"] + log["width"] < 768, "adverse events are within reach"
        assert nurse.page.evaluate("document.documentElement.scrollWidth") == 768
