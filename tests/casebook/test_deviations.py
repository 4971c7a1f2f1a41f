"""Deviations as other rooms record them."""

import datetime as dt

import pytest
from django.test import Client
from django.utils.translation import override

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import deviations, findings
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden

pytestmark = pytest.mark.django_db


@pytest.fixture
def operated(site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


def note(actor, participant, **changes):
    given = {
        "category": "visit_window",
        "on": clock.today("Asia/Shanghai"),
        "what": findings.what("ended_early", day="2026-03-11"),
        "why": "snow",
        "subject": "W1",
    }
    return deviations.record(actor=actor, participant=participant, **{**given, **changes})


def test_each_deviation_is_a_record_of_its_own_and_a_repeated_request_counts_once(operated, coordinator):
    first = note(coordinator, operated)
    again = note(coordinator, operated)
    second = note(coordinator, operated, subject="W2", action="the next visit was booked at once")
    assert (first.repeat, again.pk, second.repeat) == (1, first.pk, 2)
    assert (first.event, first.form, first.state) == ("LOG", "deviation", "complete")
    assert second.data["dvaction"] == {"value": "the next visit was booked at once"}


@pytest.mark.parametrize(
    ("changes", "item"),
    [
        ({"category": "weather"}, "dvcat"),
        ({"on": clock.today("Asia/Shanghai") + dt.timedelta(days=1)}, "dvstdat"),
        ({"why": "\x00"}, "dvreason"),
    ],
)
def test_a_deviation_that_says_too_little_is_refused_by_item(operated, coordinator, changes, item):
    with pytest.raises(ValuesRefused) as refused:
        note(coordinator, operated, **changes)
    assert set(refused.value.fields) == {item}
    with acting(coordinator):
        assert not Record.objects.filter(form="deviation").exists()


def test_whoever_may_not_enter_data_records_no_deviation(operated, person, site_a):
    with pytest.raises(Forbidden):
        note(person("monitor", site_a), operated)


def test_an_assessor_reads_an_adverse_event_and_nothing_of_its_relation_to_radiotherapy(
    operated, coordinator, assessor, client
):
    today = clock.today("Asia/Shanghai").isoformat()
    event = {"aestdat": today, "aeterm": "Redness of the skin", "aetoxgr": "1", "aeser": False}
    relation = {"reldat": today, "aeno": "1", "aereltx": "probable", "aeacntx": "interrupted"}
    for form, values in (("adverse_event", event), ("event_treatment", relation)):
        save_record(actor=coordinator, participant=operated, event="LOG", form=form, values=values)
    address = f"/api/v1/participants/{operated.code}/records/"
    seen = {}
    for who in (coordinator, assessor):
        client.force_login(who)
        seen[who] = (
            {row["form"] for row in client.get(address).json()["results"] if row["event"] == "LOG"},
            [
                client.get(f"{address}LOG/{form}/").status_code
                for form in ("adverse_event", "event_treatment")
            ],
        )
    assert seen[coordinator] == ({"adverse_event", "event_treatment"}, [200, 200])
    assert seen[assessor] == ({"adverse_event"}, [200, 404])


def test_the_sentence_is_the_readers_and_a_person_who_rewrites_it_is_kept_to_the_word(operated, coordinator):
    with override("zh-hans"):
        first = note(coordinator, operated)
        assert deviations.told(first) == "治疗于 2026-03-11 结束，未完成全部计划分割。"
    again = note(coordinator, operated, why="said in other words")
    assert (again.pk, again.data["dvterm"]["value"]) == (
        first.pk,
        "Treatment ended on 2026-03-11 before all planned fractions were given.",
    )

    def change(version, **items):
        return save_record(
            actor=coordinator,
            participant=operated,
            event="LOG",
            form="deviation",
            values=items,
            partial=True,
            expected_version=version,
            reason="more is known",
        ).record

    assert deviations.told(change(1, dvaction="told the PI")) == deviations.told(first)
    own = change(2, dvterm="It ended for want of power.")
    with override("zh-hans"):
        assert deviations.told(own) == "It ended for want of power."


def test_the_form_shows_the_sentence_in_the_readers_language_and_takes_it_back_as_it_was(
    operated, coordinator
):
    found = note(coordinator, operated)
    page = f"/admin/participant/{operated.code}/form/LOG/deviation/"
    chinese = Client(headers={"accept-language": "zh-hans"})
    chinese.force_login(coordinator)
    sentence = "治疗于 2026-03-11 结束，未完成全部计划分割。"
    for address in (page, f"{page}1/"):
        assert sentence in chinese.get(address).content.decode()
    entries = {"dvstdat": found.data["dvstdat"]["value"], "dvcat": "treatment", "dvsubject": "W1"}
    entries |= {"dvterm": sentence, "dvreason": "power cut", "version": "1"}
    without_reason = chinese.post(f"{page}1/", entries)
    assert (without_reason.status_code, sentence in without_reason.content.decode()) == (422, True)
    assert chinese.post(f"{page}1/", {**entries, "reason": "more is known"}).status_code == 302
    with acting(coordinator):
        found.refresh_from_db()
    assert found.data["dvreason"] == {"value": "power cut"}
    with override("en"):
        assert deviations.told(found).startswith("Treatment ended on 2026-03-11 before all planned")
    chinese.post(f"{page}1/", {**entries, "dvterm": "停电。", "version": "2", "reason": "in my own words"})
    with acting(coordinator):
        found.refresh_from_db()
    assert found.data["dvterm"] == {"value": "停电。"}
