"""A person's appointments in their own calendar program, under a secret address."""

import datetime as dt
import os
import shutil
import subprocess
from functools import partial

import pytest
from django.test import Client
from icalendar import Calendar

from tests.conftest import make_person
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.core.errors import NotFound
from visits import services
from visits.models import Feed, Visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked(scheduled, coordinator, consented):
    """W4 and the visit of one arm, booked; the anchor is today."""
    made = scheduled(coordinator, consented, anchor=clock.today("Asia/Shanghai"))
    for code, visit in made.items():
        if code in ("W4", "SBRT"):
            at = dt.datetime.combine(visit.target_on, dt.time(1, 30), dt.UTC)
            services.book(actor=coordinator, visit=visit, at=at, place="Wang Li, spine ward 5")
    return made


@pytest.fixture
def address(coordinator):
    _feed, secret = services.make_feed(actor=coordinator, name="Telephone")
    return f"/calendar/{secret}.ics"


def _events(address):
    answer = Client().get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    return Calendar.from_ical(answer.content).walk("VEVENT")


def test_a_calendar_program_reads_the_appointments_of_the_own_hospital(booked, address):
    events = _events(address)
    (week,) = [event for event in events if event.start.date() == booked["W4"].target_on]
    assert week.start.astimezone(dt.UTC).time() == dt.time(1, 30)
    assert week.end - week.start == dt.timedelta(minutes=30)
    assert "location" not in week, "free text could name the person or the ward"
    assert week["sequence"] == 1


def test_the_feed_names_nobody_and_no_arm(booked, address, reachable, participant):
    body = Client().get(address).content.decode()
    for telling in ("王丽", "13955501234", "wang@", "SBRT", "RFA", "NCT", "tumour", "W4", "Wang", "ward"):
        assert telling not in body
    # The visit of one arm and that of both look the same but for time and number.
    events = _events(address)
    assert {str(event["summary"]) for event in events} == {participant.code}
    assert len({(frozenset(event), str(event["status"])) for event in events}) == 1
    assert len(events) == 2


def test_an_assessor_does_not_learn_the_arm_from_the_feed(booked, assessor, participant):
    _feed, secret = services.make_feed(actor=assessor, name="Desk")
    (only,) = _events(f"/calendar/{secret}.ics")
    assert only.start.date() == booked["W4"].target_on


def test_another_hospital_and_another_person_see_none_of_it(booked, coordinator, coordinator_b, investigator):
    with acting(coordinator):
        visit = Visit.objects.get(code="W4")
    assert visit.appointment_at is not None
    services.book(
        actor=coordinator,
        visit=visit,
        at=visit.appointment_at,
        place="",
        staff=investigator,
        reason="Dr Wu sees her.",
    )
    seen = {}
    for person in (coordinator_b, coordinator, investigator):
        _feed, secret = services.make_feed(actor=person, name="x")
        seen[person.pk] = len(_events(f"/calendar/{secret}.ics"))
    assert seen == {coordinator_b.pk: 0, coordinator.pk: 1, investigator.pk: 2}


def test_what_has_not_changed_is_not_sent_again(booked, address, coordinator):
    first = Client().get(address)
    again = Client().get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    with acting(coordinator):
        visit = Visit.objects.get(code="W4")
    services.cancel(actor=coordinator, visit=visit, reason="In another hospital.")
    changed = Client().get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_revoked_address_a_guess_and_a_closed_account_get_the_same_answer(
    booked, coordinator, assessor, address
):
    _feed, secret = services.make_feed(actor=assessor, name="Desk")
    with acting(coordinator):
        feed = Feed.objects.get(user=coordinator)
    with pytest.raises(NotFound):
        services.revoke_feed(actor=assessor, feed=feed)
    services.revoke_feed(actor=coordinator, feed=feed)
    with acting(assessor):
        assessor.is_active = False
        assessor.save(update_fields=["is_active"])
    answers = [Client().get(path) for path in (address, f"/calendar/{secret}.ics", "/calendar/guess.ics")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert Client().post(address).status_code == 405


def test_neither_table_nor_trail_keeps_the_secret(coordinator, trial_manager):
    feed, secret = services.make_feed(actor=coordinator, name="Telephone")
    assert secret not in feed.digest
    with acting(make_person("auditor")):
        written = str(Event.objects.filter(table_name="visits_feed").values_list("changes", flat=True)[:])
    assert "changed" in written
    assert secret not in written
    assert feed.digest not in written


def test_over_rest_an_address_is_shown_once_and_revoked(coordinator, assessor):
    client, other = Client(), Client()
    client.force_login(coordinator)
    other.force_login(assessor)
    made = client.post("/api/v1/feeds/", {"name": "Telephone"}, "application/json")
    assert made.status_code == 201
    assert Client().get(made.json()["address"].removeprefix("http://testserver")).status_code == 200
    (listed,) = client.get("/api/v1/feeds/").json()
    assert (listed["name"], "address" in listed) == ("Telephone", False)
    assert other.delete(f"/api/v1/feeds/{listed['id']}/").status_code == 404
    assert client.delete(f"/api/v1/feeds/{listed['id']}/").status_code == 204
    assert Client().get(made.json()["address"].removeprefix("http://testserver")).status_code == 404


KHAL = shutil.which("khal")
_CONFIGURATION = """
[calendars]
[[trial]]
path = {folder}/calendars/trial
[locale]
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
local_timezone = Asia/Shanghai
default_timezone = Asia/Shanghai
"""


@pytest.mark.skipif(
    not KHAL and os.environ.get("TRIALSITE_REQUIRE_BROWSER") != "1",
    reason="no calendar program: install khal to try the feed in one",
)
def test_a_real_calendar_program_accepts_the_feed(booked, address, participant, tmp_path):
    assert KHAL, "a calendar program is required here: install khal"
    (tmp_path / "feed.ics").write_bytes(Client().get(address).content)
    (tmp_path / "config").write_text(_CONFIGURATION.format(folder=tmp_path), encoding="utf-8")
    (tmp_path / "calendars" / "trial").mkdir(parents=True)
    places = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environ = os.environ | places | {"LC_ALL": "C.UTF-8"}
    khal = [str(KHAL), "-c", str(tmp_path / "config")]
    run = partial(subprocess.run, env=environ, capture_output=True, text=True, check=True, timeout=60)
    run([*khal, "import", "--batch", "-a", "trial", str(tmp_path / "feed.ics")])
    day = booked["W4"].target_on
    listed = run([*khal, "list", str(day), str(day + dt.timedelta(days=1))]).stdout
    assert f"09:30-10:00 {participant.code}" in listed
    assert "Wang" not in listed
