"""Several records of one form: numbered unscheduled visits, forms that repeat, and two who add an entry at once."""

import pytest
from django.test import Client

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from visits.services import unscheduled

TODAY = clock.today("Asia/Shanghai").isoformat()
HOME = "/admin/participant/01-001/"
LOG = f"{HOME}form/LOG/medication/"
DRUG = {"cmtrt": "paracetamol", "cmongo": "true", "cmstdat": TODAY}


@pytest.fixture
def operated(committed, sealed, site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def client(coordinator):
    made = Client(headers={"accept-language": "en"})
    made.force_login(coordinator)
    return made


def pain(worst):
    return {"paindat": TODAY, "worst": str(worst), "average": "1"}


def records(user, **where):
    with acting(user):
        return list(Record.objects.filter(**where).order_by("repeat"))


def test_each_unscheduled_visit_has_its_own_records(operated, client, coordinator):
    """The second visit for pain is captured beside the first, from the page of the visit."""
    for worst in (5, 8):
        visit = unscheduled(
            actor=coordinator, participant=operated, on=clock.today(operated.site.timezone), reason="pain"
        )
        address = f"{HOME}form/UNS/pain/{visit.repeat}/"
        assert f'href="{address}"' in client.get(f"/admin/visit/{visit.pk}/").content.decode()
        assert f'href="{address}"' in client.get(f"{HOME}form/UNS/pain/").content.decode(), "offered"
        assert client.get(address).status_code == 200
        assert client.post(address, {**pain(worst), "version": "0"}).status_code == 302
    assert [
        (one.repeat, one.data["worst"]["value"]) for one in records(coordinator, event="UNS", form="pain")
    ] == [(1, "5"), (2, "8")]
    page = client.get(f"{HOME}form/UNS/pain/2/").content.decode()
    assert f'href="{HOME}form/UNS/vitals/2/"' in page, "the next form of the same visit"
    # Over REST the same place is known.
    answer = client.get("/api/v1/participants/01-001/records/UNS/pain/2/")
    assert answer.json()["data"]["worst"]["value"] == "8"


def test_a_number_that_the_form_does_not_have_is_refused_at_every_door(operated, client, coordinator):
    body = {"values": pain(3), "complete": True}
    for place in (
        "W1/pain/2",
        "W1/pain/0",
        "LOG/medication/0",
        "LOG/medication/10000",
        f"W1/pain/{10**20}",
        f"LOG/medication/{10**20}",
    ):
        answer = client.put(
            f"/api/v1/participants/01-001/records/{place}/", body, content_type="application/json"
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_number"), place
        assert client.get(f"{HOME}form/{place}/").status_code == 404, place
        assert client.post(f"{HOME}form/{place}/", {**pain(3), "version": "0"}).status_code == 404, place
    assert records(coordinator, event__in=("W1", "LOG")) == []


def test_two_who_add_an_entry_at_once_get_two_entries(operated, client, coordinator, person, site_a):
    """Both were offered number 1: whoever saves later gets the next one, and is told."""
    other = Client(headers={"accept-language": "en"})
    other.force_login(person("coordinator", site_a))
    assert client.post(f"{LOG}1/", {**DRUG, "version": "0", "draft": "1"}).status_code == 302
    theirs = {**DRUG, "cmtrt": "ibuprofen", "version": "0", "draft": "1"}
    answer = other.post(f"{LOG}1/", theirs, follow=True)
    assert "yours is number 2" in answer.content.decode()
    found = records(coordinator, form="medication")
    assert [one.data["cmtrt"]["value"] for one in found] == ["paracetamol", "ibuprofen"]
    for number in (1, 2):
        assert other.post(f"{LOG}{number}/", theirs).status_code == 302, "the same again makes no third"
    assert len(records(coordinator, form="medication")) == 2


def test_what_one_typed_oneself_before_is_no_other_entry(operated, client, coordinator):
    """The answer to the first draft was lost on the way: the page still believes that nothing is stored."""
    assert client.post(f"{LOG}1/", {**DRUG, "version": "0", "draft": "1"}).status_code == 302
    answer = client.post(f"{LOG}1/", {**DRUG, "cmtrt": "ibuprofen", "version": "0", "draft": "1"})
    assert answer.status_code == 409
    assert len(records(coordinator, form="medication")) == 1


def test_the_next_number_is_the_services_to_give(operated, coordinator):
    for number in (1, 2):
        saved = save_record(
            actor=coordinator,
            participant=operated,
            event="LOG",
            form="medication",
            values={"cmtrt": f"drug {number}"},
            repeat=None,
            complete=False,
        )
        assert saved.record.repeat == number
