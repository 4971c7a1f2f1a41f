"""A form that was begun by mistake and emptied again: nobody can take a record away, and nobody waits for this one."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record, Score
from trialsite.casebook.reviewing import place_lock, sign_casebook, waiting
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.safety import reading

TODAY = clock.today("Asia/Shanghai").isoformat()
PASSWORD = "correct horse battery"


@pytest.fixture
def operated(data, coordinator, investigator, site_a):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def nurse(coordinator):
    """A browser of the coordinator."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(coordinator)
    return client


def begin(nurse, participant, event, form, **values):
    """Typed into a new form, and taken out again; the page stores the draft each time."""
    page = f"/admin/participant/{participant.code}/form/{event}/{form}/1/draft/"
    assert nurse.post(page, {**values, "keep": "1", "version": "0"}).status_code == 200
    assert nurse.post(page, {"keep": "1", "version": "1"}).status_code == 200


def test_an_adverse_event_begun_at_the_wrong_person_keeps_nobody_from_signing(
    operated, nurse, coordinator, investigator, person
):
    begin(nurse, operated, "LOG", "adverse_event", aeterm="fall")
    with acting(coordinator):
        emptied = Record.objects.get(form="adverse_event")
        assert (emptied.state, emptied.data, emptied.version) == ("draft", {}, 2)
    with acting(investigator):
        assert waiting(operated) == []
    assert sign_casebook(actor=investigator, participant=operated, password=PASSWORD).records
    manager = person("data_manager")
    assert place_lock(actor=manager, kind="lock", level="database", reason="final").kind == "lock"


def test_it_is_shown_as_empty_and_its_number_is_used_again(operated, nurse):
    begin(nurse, operated, "LOG", "adverse_event", aeterm="fall")
    book = nurse.get(f"/admin/participant/{operated.code}/casebook/").content.decode()
    assert 'title="Running records · Adverse event: empty"' in book
    entries = nurse.get(f"/admin/participant/{operated.code}/form/LOG/adverse_event/").content.decode()
    assert 'form/LOG/adverse_event/1/">New entry' in entries
    asked = nurse.get(f"/api/v1/participants/{operated.code}/records/LOG/adverse_event/1/").json()
    assert (asked["state"], asked["reached"]) == ("draft", "empty")


def test_a_serious_event_begun_by_mistake_runs_no_clock(operated, nurse, coordinator):
    begin(nurse, operated, "LOG", "sae", saeterm="fall")
    with acting(coordinator):
        assert reading.reports(coordinator, clock.now()) == []
        assert list(reading.differences(coordinator)) == []


AWARE = "2026-03-01T08:00"


def emptied_report(nurse, participant):
    """A report of which the hospital became aware, typed and taken out again: the answer of the page."""
    page = f"/admin/participant/{participant.code}/form/LOG/sae/1/draft/"
    assert (
        nurse.post(page, {"saeterm": "fall", "awareat": AWARE, "keep": "1", "version": "0"}).status_code
        == 200
    )
    return nurse.post(page, {"keep": "1", "version": "1"}).content.decode()


def test_the_clocks_of_a_report_that_is_emptied_run_on(operated, nurse, coordinator):
    """A draft typed empty ended the periods of the report, without a word from anybody."""
    told = emptied_report(nurse, operated)
    assert "without the fields at fault" in told and "Taking it back needs a reason." in told
    with acting(coordinator):
        (report,) = reading.reports(coordinator, clock.now())
        assert set(report.record.data) == {"awareat"}
        assert [one.state for one in report.clocks[:2]] == ["overdue", "overdue"]
    refused = nurse.post(
        f"/admin/participant/{operated.code}/form/LOG/sae/1/", {"draft": "1", "version": "2"}
    )
    assert refused.status_code == 422 and 'name="reason"' in refused.content.decode()


def test_a_report_of_the_wrong_person_is_taken_back_with_a_reason(operated, nurse, coordinator):
    emptied_report(nurse, operated)
    page = f"/admin/participant/{operated.code}/form/LOG/sae/1/"
    nurse.post(page, {"draft": "1", "version": "2", "reason": "of another participant"})
    with acting(coordinator):
        assert Record.objects.get(form="sae").data == {}
        assert reading.reports(coordinator, clock.now()) == []


def test_nor_does_raw_sql_take_awareness_back_without_a_reason(operated, nurse, coordinator, data):
    emptied_report(nurse, operated)
    here = "UPDATE casebook_record SET data = '{}', version = version + 1 WHERE form = 'sae'"
    with acting(coordinator), pytest.raises(IntegrityError, match="awareness"), transaction.atomic():
        connection.cursor().execute(here)
    with acting(coordinator, reason="of another participant"):
        connection.cursor().execute(here)


def test_a_drug_begun_by_mistake_leaves_no_dose_open(operated, nurse, coordinator):
    """The response of a visit hung for good on a line that somebody had opened and left."""
    here = {"actor": coordinator, "participant": operated}
    before = (clock.today("Asia/Shanghai") - dt.timedelta(days=4)).isoformat()
    for event, day in (("BL", before), ("W1", TODAY)):
        drug = {"opidat": day, "taken": True, "drug": "morphine", "dose": "20"}
        save_record(**here, event=event, form="opioids", values=drug)
    save_record(**here, event="W1", form="pain", values={"paindat": TODAY, "worst": "3", "average": "3"})
    begin_second = f"/admin/participant/{operated.code}/form/W1/opioids/2/draft/"

    def response():
        with acting(coordinator):
            return Score.objects.get(event="W1", instrument="pain_response", name="before_surgery").value

    assert response() == "partial"
    nurse.post(begin_second, {"drug": "tramadol", "keep": "1", "version": "0"})
    assert response() == "not_evaluable"
    nurse.post(begin_second, {"keep": "1", "version": "1"})
    assert response() == "partial"
