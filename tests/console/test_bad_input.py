"""Whatever a hand enters on the page of a form: a sentence beside its field, and the record stays as it was."""

import pytest
from django.test import Client

from tests.casebook.hostile import TEXTS, TYPES
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Query, Record

BESIDE = {
    "unit": [("wbc__unit", text) for text in ("parsec", "\x00")],
    "limit": [("ast__uln", text) for text in ("NaN", "-1", "\x00")],
    "missing": [("wbc__missing", text) for text in ("lost", "\x00")],
}


@pytest.fixture
def participant(committed, site_a, coordinator, investigator):
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def send(participant, coordinator):
    client = Client()
    client.force_login(coordinator)

    def send(form, event="SCR", repeat=1, **fields):
        address = f"/admin/participant/{participant.code}/form/{event}/{form}/{repeat}/"
        return client.post(address, {"version": "1", "reason": "hostile", **fields})

    return send


def stored(reader):
    with acting(reader):
        return dict(Record.objects.values_list("form", "data")), Query.objects.count()


@pytest.mark.parametrize("form", ["labs", "lesion"])
def test_a_hostile_text_gets_a_sentence_at_each_field_and_nothing_is_stored(send, coordinator, form):
    before, items = stored(coordinator), TYPES["SCR", form]
    wrong = []
    for place, text in enumerate(TEXTS):
        draft = {"draft": "1"} if place % 2 else {}
        answer = send(form, **dict.fromkeys(items, text), **draft)
        page = answer.content.decode()
        assert "<script>alert" not in page
        for item, kind in items.items():
            row = page.partition(f'id="faults-{item}"')[2].partition("</div></div>")[0]
            if answer.status_code != 422 or '<div class="ts-error">' not in row:
                wrong.append((kind, text[:40], answer.status_code))
    assert wrong == []
    assert stored(coordinator) == before


@pytest.mark.parametrize("what", BESIDE)
def test_a_hostile_unit_limit_or_reason_is_refused_like_an_entry(send, coordinator, what):
    before = stored(coordinator)
    for name, text in BESIDE[what]:
        item = name.partition("__")[0]
        fields = {name: text} if what == "missing" else {item: "6", name: text}
        assert send("labs", **fields).status_code == 422, (name, text[:40])
    assert stored(coordinator) == before


@pytest.mark.parametrize("version", ["0", "2", "-1", "9" * 60, "\x00"])
def test_a_version_that_nobody_saw_changes_nothing(send, coordinator, version):
    before = stored(coordinator)
    answer = send("demographics", brthdat="1960-01-01", sex="male", version=version)
    assert answer.status_code in (409, 422)
    assert stored(coordinator) == before


def test_an_instant_and_a_text_refuse_what_cannot_be_kept(send, coordinator):
    for text in TEXTS:
        answer = send("sae", event="LOG", version="0", draft="1", awareat=text)
        assert answer.status_code == 422, text[:40]
    for text in ("\x00", "a\x00b"):
        assert send("sae", event="LOG", version="0", draft="1", saeterm=text).status_code == 422
    with acting(coordinator):
        assert not Record.objects.filter(form="sae").exists()
    kept = "<script>alert(1)</script> 中文 ‮12"
    assert send("sae", event="LOG", version="0", draft="1", saeterm=kept).status_code == 302
    with acting(coordinator):
        assert Record.objects.get(form="sae").data["saeterm"]["value"] == kept


def test_a_reason_that_no_column_can_hold_is_refused_on_every_page_that_takes_one(
    send, participant, coordinator, person
):
    """The reason goes to the database beside the entries: it must not fail there."""
    assert send("demographics", brthdat="1960-01-02", sex="male", reason="a\x00b").status_code == 422
    home = f"/admin/participant/{participant.code}"
    client = Client()
    client.force_login(coordinator)
    amend = client.post(f"{home}/form/SCR/labs/1/amend/", {"version": "1", "reason": "a\x00b"})
    assert amend.status_code == 302
    assert client.post(f"{home}/fail/", {"reason": "a\x00b"}).status_code in (404, 422)
    manager = Client()
    manager.force_login(person("data_manager"))
    review = {"act": "freeze:", "reach": "form", "text:": "a\x00b"}
    assert manager.post(f"{home}/form/SCR/labs/1/review/", review).status_code == 422
