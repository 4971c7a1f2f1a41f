"""The pages of visits: calendar, worklist with one click, the plan to print, corrections."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import make_person
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.console import reading
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import corrections, schedule
from trialsite.enrollment.errors import StepRefused
from trialsite.sites.models import Site
from visits import rules, services
from visits.errors import BadDate
from visits.models import FormerWindow, Visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def operated(sealed, site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def browser(coordinator):
    client = Client()
    client.force_login(coordinator)
    return client


def _visits(actor, participant):
    with acting(actor):
        return {visit.code: visit for visit in Visit.objects.filter(participant=participant)}


def test_the_worklist_books_the_suggested_day_with_one_click(browser, operated, coordinator):
    page = browser.get("/admin/worklist/").content.decode()
    visit = _visits(coordinator, operated)["W1"]
    form = re.search(rf'action="/admin/visit/{visit.pk}/book/".*?</form>', page, re.S)
    assert form, "a visit that is due has a day that suits"
    given = dict(re.findall(r'name="(at|seen|back)" value="([^"]*)"', form[0]))
    answer = browser.post(f"/admin/visit/{visit.pk}/book/", given)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/worklist/")
    booked = _visits(coordinator, operated)["W1"]
    assert booked.state == "booked"
    assert booked.window.holds(clock.local_date(booked.appointment_at, "Asia/Shanghai"))
    stale = browser.post(f"/admin/visit/{visit.pk}/book/", given | {"at": "2035-01-01T09:00", "reason": "x"})
    assert stale.status_code == 422, "somebody who looked at the page before is told"


def test_the_calendar_shows_appointments_targets_and_holidays_at_a_constant_cost(
    browser, operated, coordinator, site_a, investigator
):
    visit = _visits(coordinator, operated)["M3"]
    at = dt.datetime.combine(visit.target_on, dt.time(1, 15), dt.UTC)
    services.book(actor=coordinator, visit=visit, at=at, place="Room 3")
    address = f"/admin/calendar/?by={{}}&on={visit.target_on}"
    for by in ("month", "week"):
        page = browser.get(address.format(by)).content.decode()
        assert f"<b>09:15</b> {operated.code} M3" in page, by
    assert "Room 3" in page
    october = browser.get("/admin/calendar/?on=2026-10-05").content.decode()
    assert october.count("National Day") >= 7
    assert "make-up working day" in october
    assert "is not known yet" in browser.get("/admin/calendar/?on=2031-10-05").content.decode()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            browser.get(f"/admin/calendar/?on={clock.today('Asia/Shanghai')}")
        counts.append(len(asked))
        walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    assert counts[0] == counts[1]
    for odd in ("?on=9999-99-99", "?on=0001-01-01", "?on=9999-12-31", "?by=year&site=NONE"):
        assert browser.get(f"/admin/calendar/{odd}").status_code == 200, odd


def test_the_worklist_begins_with_who_is_expected_today_and_filters_by_what_presses(
    browser, operated, coordinator
):
    visits = _visits(coordinator, operated)
    now = clock.now()
    with acting(coordinator):
        booked = Visit.objects.filter(pk=visits["M12"].pk)
        booked.update(state="booked", appointment_at=now, place="Room 3", bookings=1)
        tomorrow = Visit.objects.filter(pk=visits["M6"].pk)
        tomorrow.update(state="booked", appointment_at=now + dt.timedelta(days=1), bookings=1)
    page = browser.get("/admin/worklist/?kind=today").content.decode()
    card = page[page.index("Appointments today") :]
    assert "M12" in card
    assert "Room 3" in card
    assert "M6" not in card
    assert "Next steps" not in card
    with clock.pretend(now + dt.timedelta(days=1)):
        assert [visit.code for visit in reading.appointments_today(coordinator)] == ["M6"]
    with acting(coordinator):
        today = clock.today("Asia/Shanghai")
        Visit.objects.filter(pk=visits["W2"].pk).update(
            opens_on=today, target_on=today, closes_on=today + dt.timedelta(days=1)
        )
        Visit.objects.filter(pk=visits["W1"].pk).update(
            opens_on=today - dt.timedelta(days=3),
            target_on=today - dt.timedelta(days=2),
            closes_on=today - dt.timedelta(days=1),
        )
    shown = {}
    for kind in ("overdue", "closing", "open", "to_book"):
        page = browser.get(f"/admin/worklist/?kind={kind}").content.decode()
        shown[kind] = set(re.findall(r'<td><a href="/admin/visit/\d+/">(\w+)</a>', page))
    assert shown["overdue"] == {"W1"}
    assert shown["closing"] == {"W2"} <= shown["open"]
    assert "W2" in shown["to_book"]
    assert "W1" not in shown["to_book"]


def test_over_rest_visits_are_found_by_how_pressing_they_are_at_their_hospital(
    browser, operated, coordinator, loader
):
    """As `rules.urgency` says, at instants when it is another date in Greenwich and at the hospital."""
    visits = _visits(coordinator, operated)
    edges = [
        visits["W4"].opens_on,
        *(visits["W2"].closes_on + dt.timedelta(days=shift) for shift in (-3, 0, 1)),
    ]
    for zone in ("Asia/Shanghai", "America/Los_Angeles"):
        with acting(loader):
            Site.objects.filter(pk=operated.site_id).update(timezone=zone)
        for edge in edges:
            now = dt.datetime.combine(edge, dt.time(0, 30), ZoneInfo(zone))
            for urgency in ("overdue", "closing", "open", "later"):
                with acting(coordinator):
                    rows = Visit.objects.visible_to(coordinator).pressing([urgency], now)
                    found = set(rows.values_list("code", flat=True))
                assert found == {
                    visit.code
                    for visit in visits.values()
                    if rules.urgency(visit.state, visit.opens_on, visit.closes_on, edge) == urgency
                }, (zone, edge, urgency)
    told = browser.get("/api/v1/visits/?urgency=closing&urgency=open&urgency=overdue").json()["results"]
    everything = browser.get("/api/v1/visits/").json()["results"]
    assert told == [row for row in everything if row["urgency"] in ("closing", "open", "overdue")] != []
    refused = browser.get("/api/v1/visits/?urgency=soon")
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["urgency"])


def test_the_worklist_costs_the_same_number_of_queries_however_much_is_due(
    browser, operated, site_a, coordinator, investigator
):
    browser.get("/admin/worklist/")  # the first page of a session costs more
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            browser.get("/admin/worklist/")
        counts.append(len(asked))
        walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    assert counts[0] == counts[1]


def _paper(answer):
    """What is printed: nothing else of the page is."""
    page = answer.content.decode()
    return page[page.index('class="ts-card ts-paper"') : page.index("</table>")]


@pytest.mark.parametrize("arm", ["RFA_PVP", "RFA_PVP_SBRT"])
def test_the_printed_plan_is_the_same_for_both_arms_and_names_neither(
    browser, operated, coordinator, definition, arm
):
    before = _paper(browser.get(f"/admin/participant/{operated.code}/plan/?language=en"))
    services.schedule(
        actor=coordinator,
        participant=operated,
        anchors=schedule.anchors(coordinator, operated),
        visits=[visit for visit in definition.visits if arm in visit.arms],
    )
    for language, week in (("en", "Week 1"), ("zh-hans", "第 1 周")):
        paper = _paper(browser.get(f"/admin/participant/{operated.code}/plan/?language={language}"))
        assert week in paper
        for telling in ("SBRT", "RFA", "arm", "立体定向", "射频", "NCT", "tumour", "肿瘤", "Randomization"):
            assert telling not in paper
        if language == "en":
            assert paper == before


def test_a_visits_page_shows_its_history_and_the_record_that_counts(browser, operated, coordinator):
    visit = _visits(coordinator, operated)["W1"]
    at = dt.datetime.combine(visit.target_on, dt.time(1), dt.UTC)
    services.book(actor=coordinator, visit=visit, at=at, place="Room 3")
    services.cancel(actor=coordinator, visit=visit, reason="In another hospital.")
    page = browser.get(f"/admin/visit/{visit.pk}/").content.decode()
    assert "Room 3" in page
    assert "In another hospital." in page
    for address in (f"visit/{visit.pk}", f"participant/{operated.code}", "worklist"):
        assert "day +7 from surgery · study day 8" in browser.get(f"/admin/{address}/").content.decode(), (
            address
        )
    told = browser.get(f"/api/v1/visits/{visit.pk}/").json()
    assert (told["anchor"], told["days_from_anchor"], told["study_day"]) == ("surgery", 7, 8)
    assert browser.get(f"/api/v1/visits/{visit.pk}/history/").json()["appointments"][1]["at"] is None
    assert browser.get(f"/api/v1/visits/{visit.pk}/suggestions/").json()
    forms = {row["form"]: row["chosen"] for row in browser.get(f"/api/v1/visits/{visit.pk}/records/").json()}
    assert forms["pain"] is None


def test_on_the_page_a_visit_recorded_wrongly_is_corrected(browser, operated, coordinator):
    visit = _visits(coordinator, operated)["W1"]
    with acting(coordinator):
        Visit.objects.filter(pk=visit.pk).update(state="missed", reason="Never reached.")
    address = f"/admin/visit/{visit.pk}/correct/"
    assert address in browser.get(f"/admin/visit/{visit.pk}/").content.decode()
    assert browser.post(address, {"on": ""}).status_code == 422, "a reason is needed"
    assert browser.post(address, {"on": "", "reason": "She is on the telephone."}).status_code == 302
    assert _visits(coordinator, operated)["W1"].state == "expected"
    refused = browser.post(
        f"/api/v1/visits/{visit.pk}/correct/", {"reason": "x"}, content_type="application/json"
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "visit_settled")


# Corrections ----------------------------------------------------------------------------------------------------


def _correct(actor, participant, surgery_on, reason="The date was misread.", version=1):
    return corrections.correct_surgery(
        actor=actor,
        participant=participant,
        values=casebook.surgery(surgery_on),
        expected_version=version,
        reason=reason,
    )


def test_a_corrected_date_of_surgery_moves_the_open_windows(operated, coordinator):
    before = _visits(coordinator, operated)
    true_day = before["W1"].anchor_on - dt.timedelta(days=1)
    moved = _correct(coordinator, operated, true_day)
    assert {visit.code for visit in moved} == set(before)
    after = _visits(coordinator, operated)
    assert after["M12"].target_on == before["M12"].target_on - dt.timedelta(days=1)
    assert {visit.plan_version for visit in after.values()} == {2}
    with acting(coordinator):
        assert FormerWindow.objects.get(visit=before["M12"]).target_on == before["M12"].target_on
    assert _correct(coordinator, operated, true_day, version=2) == []


def test_a_visit_that_took_place_is_not_pushed_before_the_surgery(operated, coordinator):
    today = clock.today("Asia/Shanghai")
    first = _visits(coordinator, operated)["W1"]
    services.attend(
        actor=coordinator, visit=first, on=first.anchor_on + dt.timedelta(days=1), reason="came early"
    )
    with pytest.raises(BadDate) as refused:
        _correct(coordinator, operated, today)
    assert list(refused.value.fields) == ["prdat"]
    assert _visits(coordinator, operated)["W1"].anchor_on == first.anchor_on, "nothing is half stored"


def test_the_correction_is_refused_before_surgery_and_noted_where_it_breaks_eligibility(
    operated, coordinator, investigator, site_a
):
    eligible = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    with pytest.raises(StepRefused):
        _correct(coordinator, eligible, clock.today("Asia/Shanghai"))
    early = _visits(coordinator, operated)["W1"].anchor_on - dt.timedelta(days=4)
    for event in ("SCR", "BL"):
        save_record(
            actor=coordinator,
            participant=operated,
            event=event,
            form="pain",
            values=casebook.pain(early, 7),
            expected_version=1,
            reason="misread",
        )
    _correct(coordinator, operated, early)
    with acting(coordinator):
        noted = [row.data["dvcat"]["value"] for row in Record.objects.filter(form="deviation")]
    assert set(noted) == {"eligibility"}, "the laboratory values are younger than the surgery"


@pytest.mark.parametrize("follow", [True, False])
def test_who_is_operated_and_not_randomized_keeps_follow_up_by_setting(
    operated, coordinator, monkeypatch, follow
):
    definition = operated.protocol_version.definition
    monkeypatch.setitem(definition.settings, "follow_not_randomized", follow)
    stopped = corrections.forgo_randomization(
        actor=coordinator, participant=operated, reason="The participant moved away."
    )
    now = _visits(coordinator, operated)
    assert (now["RAND"].state, now["RAND"].reason) == ("missed", "The participant moved away.")
    assert {visit.state for code, visit in now.items() if code != "RAND"} == {
        "expected" if follow else "not_expected"
    }
    assert (stopped == 0) == follow


def test_only_staff_who_care_for_participants_can_be_given_an_appointment(
    browser, operated, coordinator, site_b
):
    make_person("coordinator", site_b, full_name="Somebody Elsewhere")
    make_person("administrator", full_name="Somebody Technical")
    visit = _visits(coordinator, operated)["W1"]
    page = browser.get(f"/admin/visit/{visit.pk}/book/").content.decode()
    assert coordinator.full_name in page
    assert "Somebody" not in page
