"""The casebook on the screen: matrix, entry, drafts, two editors at once, queries, verification, locks, signature."""

import hashlib

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from tests.conftest import PASSWORD, walked_once
from trialsite.audit.context import acting
from trialsite.casebook import messages, querying, reviewing
from trialsite.casebook.models import CasebookSignature, Lock, Query, Record, Verification
from trialsite.casebook.rules import Fault
from trialsite.casebook.services import save_record
from trialsite.console import casebook
from trialsite.core import clock
from trialsite.exports.models import Snapshot

TODAY = clock.today("Asia/Shanghai").isoformat()
PAIN = {"paindat": TODAY, "worst": "6", "average": "4"}
HOME = "/admin/participant/01-001/"
FORM = f"{HOME}form/W1/pain/1/"


ward, site_a, coordinator, investigator, operated = walked_once(
    __name__, "operated", "operated", with_list=True
)


@pytest.fixture
def browse():
    def browse(user, language="en"):
        client = Client(headers={"accept-language": language})
        client.force_login(user)
        return client

    return browse


@pytest.fixture
def save(operated, coordinator):
    def save(values=PAIN, event="W1", form="pain", **more):
        more.setdefault("reason", "misread")
        return save_record(
            actor=coordinator, participant=operated, event=event, form=form, values=values, **more
        ).record

    return save


def stored(user, **where):
    with acting(user):
        return Record.objects.filter(**{"event": "W1", "form": "pain", **where}).first()


def text(answer):
    return answer.content.decode()


# The matrix ----------------------------------------------------------------------------------------------------


def test_each_cell_says_how_far_its_form_is(operated, save, coordinator, person):
    def cell(event="W1", form="pain"):
        with acting(coordinator):
            return casebook.read(coordinator, operated).cells[event, form]

    assert (cell("M12").state, cell("BL", "performance").state, cell("SCR").state) == (
        "empty",
        "expected",
        "complete",
    )
    record = save(complete=False)
    assert cell().state == "draft"
    record = save(expected_version=1)
    assert cell().state == "complete"
    monitor, manager = person("monitor"), person("data_manager")
    reviewing.verify(actor=monitor, record=record)
    assert cell().state == "verified"
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    assert (cell().state, cell().reached, cell().queries) == ("queried", "verified", 1)
    querying.close_query(actor=monitor, query=query, text="Clear.")
    lock = reviewing.place_lock(actor=manager, kind="freeze", level="form", record=record, reason="cleaning")
    assert cell().state == "frozen"
    reviewing.lift_lock(actor=manager, lock=lock, reason="cleaned")
    reviewing.place_lock(actor=manager, kind="lock", level="participant", participant=operated, reason="done")
    assert cell().state == "locked"


def test_the_page_shows_words_beside_colours_and_leads_to_the_forms(operated, save, browse, coordinator):
    save()
    page = text(browse(coordinator).get(f"{HOME}casebook/"))
    assert "Week 1" in page
    assert f'href="{HOME}form/W1/pain/"' in page
    assert "forms complete" in page
    assert "病例报告" in text(browse(coordinator, "zh-hans").get(f"{HOME}casebook/"))
    assert f'href="{HOME}casebook/"' in text(browse(coordinator).get(HOME))


def test_a_unit_that_is_a_word_and_the_side_of_a_criterion_are_told_in_the_readers_language(
    operated, browse, coordinator
):
    for language, unit, absent in (("en", "0–240 months", "✓ absent"), ("zh-hans", "0–240 个月", "✓ 不存在")):
        page = text(browse(coordinator, language).get(f"{HOME}form/SCR/history/"))
        assert unit in page
        # Radiotherapy before surgery, beside a tick: it has not taken place.
        assert absent in page[page.index('id="live-E3"') : page.index('id="live-E4"')]
    fault = Fault("out_of_range", {"low": "0", "high": "240", "unit": "months"})
    for language, sentence in (("en", "0 to 240 months."), ("zh-hans", "0 至 240 个月。")):
        with override(language):
            assert messages.worded({"brain_stable": fault})["brain_stable"][0].endswith(sentence)


def test_whoever_may_not_see_the_arm_sees_no_event_that_tells_it(operated, browse, coordinator, assessor):
    browse(coordinator).post(f"{HOME}randomize/", {"key": "key-number-one"})
    blind = browse(assessor)
    page = text(blind.get(f"{HOME}casebook/"))
    assert "SBRT" not in page
    assert "arm_deviation" not in page
    for path in ("form/SBRT/fraction/", "form/LOG/arm_deviation/", "form/LOG/arm_deviation/1/"):
        assert blind.get(f"{HOME}{path}").status_code == 404, path


def test_the_casebook_costs_twelve_statements_whatever_is_in_it(operated, save, browse, coordinator, person):
    client = browse(coordinator)

    def cost():
        client.get(f"{HOME}casebook/")
        with CaptureQueriesContext(connection) as queries, acting(coordinator):
            casebook.read(coordinator, operated)
        with CaptureQueriesContext(connection) as page:
            assert client.get(f"{HOME}casebook/").status_code == 200
        return len(queries), len(page)

    before = cost()
    for event in ("W1", "W2", "W4", "M3"):
        record = save(event=event)
        querying.raise_query(actor=person("monitor"), record=record, item="worst", text="Really?")
    assert cost() == before
    assert before[1] <= 12, before


# Entry ---------------------------------------------------------------------------------------------------------


def test_a_form_that_repeats_lists_its_entries_and_leads_to_a_new_one(operated, browse, coordinator):
    client = browse(coordinator)
    assert f'href="{HOME}form/LOG/medication/1/"' in text(client.get(f"{HOME}form/LOG/medication/"))
    begun = {"cmtrt": "aspirin", "draft": "1", "version": "0"}
    assert client.post(f"{HOME}form/LOG/medication/1/", begun).status_code == 302
    assert f'href="{HOME}form/LOG/medication/2/"' in text(client.get(f"{HOME}form/LOG/medication/"))
    assert client.get(f"{HOME}form/W1/pain/2/").status_code == 404


def test_typing_keeps_a_draft_and_tells_of_mistakes_beside_the_field(operated, browse, coordinator):
    client = browse(coordinator)
    checked = client.post(f"{FORM}draft/", {"version": "0", "worst": "60"})
    assert 'id="faults-worst"' in text(checked)
    assert "✗" in text(checked)
    assert stored(coordinator) is None, "checks store nothing"
    kept = client.post(f"{FORM}draft/", {"version": "0", "keep": "1", "worst": "6"})
    assert "Draft saved" in text(kept)
    assert 'name="version" value="1"' in text(kept)
    assert (stored(coordinator).state, stored(coordinator).version) == ("draft", 1)
    partly = client.post(f"{FORM}draft/", {"version": "1", "keep": "1", "worst": "60", "average": "4"})
    assert "without the fields at fault" in text(partly)
    assert 'name="version" value="2"' in text(partly)
    found = stored(coordinator).data
    assert (found["worst"]["value"], found["average"]["value"]) == ("6", "4"), "the fault takes nothing along"
    alone = client.post(f"{FORM.replace('W1', 'W4')}draft/", {"version": "0", "keep": "1", "worst": "60"})
    assert "Draft saved" not in text(alone)
    assert stored(coordinator, event="W4") is None


def test_a_draft_is_never_kept_over_a_complete_record(operated, save, browse, coordinator):
    save()
    answer = browse(coordinator).post(f"{FORM}draft/", {"version": "1", "keep": "1", "worst": "1"})
    assert answer.status_code == 200
    assert "Draft saved" not in text(answer)
    assert (stored(coordinator).state, stored(coordinator).data["worst"]["value"]) == ("complete", "6")


def test_drafts_ask_for_the_token_of_the_page(operated, coordinator):
    client = Client(enforce_csrf_checks=True)
    client.force_login(coordinator)
    assert client.post(f"{FORM}draft/", {"version": "0", "keep": "1", "worst": "6"}).status_code == 403
    assert stored(coordinator) is None


def test_two_editors_see_both_values_and_choose_by_item(operated, save, browse, coordinator):
    save()
    save({**PAIN, "worst": "8"}, expected_version=1)
    client = browse(coordinator)
    mine = {**PAIN, "worst": "7", "average": "5", "version": "1", "reason": "chart"}
    answer = client.post(FORM, mine)
    page = text(answer)
    assert answer.status_code == 409
    for name in ("worst", "average"):
        assert f'name="{name}__keep"' in page
    assert 'name="paindat__keep"' not in page
    assert "<strong>8</strong>" in page
    assert "<strong>7</strong>" in page
    both = {**mine, "version": "2", "differs": "1", "worst__both": "1", "average__both": "1"}
    undecided = client.post(FORM, {**both, "worst__keep": "theirs"})
    assert undecided.status_code == 422
    assert "Choose which of the two stands." in text(undecided)
    assert stored(coordinator).version == 2
    decided = client.post(FORM, {**both, "worst__keep": "theirs", "average__keep": "yours"})
    assert decided.status_code == 302
    found = stored(coordinator)
    assert (found.version, found.data["worst"]["value"], found.data["average"]["value"]) == (3, "8", "5")


def test_the_second_editor_hears_of_the_first_at_once_mistakes_or_not(operated, save, browse, coordinator):
    """Two fill in the same new form; the slower one is not sent to mend a form that stands already."""
    save()
    client = browse(coordinator)
    answer = client.post(FORM, {"paindat": TODAY, "worst": "11", "version": "0"})
    page = text(answer)
    assert answer.status_code == 422
    assert "Not possible: the range is 0 to 10." in page
    assert 'name="average__keep"' in page
    assert "Saved meanwhile" in page
    both = {"paindat": TODAY, "version": "1", "differs": "1", "worst__both": "1", "average__both": "1"}
    chosen = {**both, "worst": "11", "worst__keep": "theirs", "average__keep": "theirs"}
    assert client.post(FORM, chosen).status_code == 302
    assert stored(coordinator).version == 1


def test_no_new_entry_is_offered_under_a_lock(operated, browse, coordinator, person):
    client, events = browse(coordinator), f"{HOME}form/LOG/adverse_event/"
    assert "New entry" in text(client.get(events))
    reviewing.place_lock(
        actor=person("data_manager"),
        kind="freeze",
        level="participant",
        participant=operated,
        reason="cleaning",
    )
    assert "New entry" not in text(client.get(events))


def test_why_an_answer_lacks_can_be_said_at_every_field_but_the_day(operated, browse, coordinator):
    client = browse(coordinator)
    page = text(client.get(FORM))
    assert 'name="worst__missing"' in page
    assert 'name="paindat__missing"' not in page, "what is done for the trial alone has a day"
    sent = {"paindat": TODAY, "worst__missing": "refused", "average": "4", "version": "0"}
    both = client.post(FORM, {**sent, "worst": "6"})
    assert both.status_code == 422
    assert "Give either a value or why there is none." in text(both)
    assert stored(coordinator) is None
    client.post(FORM, sent)
    assert stored(coordinator).data["worst"] == {"missing": "refused"}


# Review --------------------------------------------------------------------------------------------------------


def test_a_query_goes_to_and_fro_on_the_form(operated, save, browse, coordinator, person):
    save()
    site, monitor = browse(coordinator), browse(person("monitor"))

    def act(client, act, words, target):
        return client.post(f"{FORM}review/", {"act": f"{act}:{target}", f"text:{target}": words})

    def state():
        with acting(coordinator):
            return Query.objects.get(origin="person").state

    assert act(monitor, "raise", "The chart says 8.", "worst").status_code == 302
    with acting(coordinator):
        number = Query.objects.get(origin="person").pk
    page = text(site.get(FORM))
    assert "The chart says 8." in page
    assert f'value="answer:{number}"' in page
    assert act(site, "close", "no", number).status_code == 403
    assert act(site, "answer", "", number).status_code == 422
    assert act(site, "answer", "Day before.", number).status_code == 302
    assert "Day before." in text(monitor.get(FORM))
    assert act(monitor, "reopen", "Which day?", number).status_code == 302
    assert act(monitor, "close", "Clear.", number).status_code == 302
    assert state() == "closed"


def test_a_query_of_a_check_that_was_closed_can_be_asked_again_on_the_form(operated, save, browse, person):
    record = save({**PAIN, "average": "9"})
    manager = person("data_manager")
    with acting(manager):
        query = record.queries.get()
    querying.close_query(actor=manager, query=query, text="Accepted.")
    assert f'value="reopen:{query.pk}"' in text(browse(manager).get(FORM))


def test_a_monitor_verifies_and_reads_but_enters_nothing(operated, save, browse, person):
    save()
    monitor = person("monitor")
    client = browse(monitor)
    page = text(client.get(FORM))
    assert page.count("<fieldset") == page.count("disabled>")
    assert client.post(FORM, {**PAIN, "worst": "1", "version": "1", "reason": "x"}).status_code == 403
    assert client.post(f"{FORM}review/", {"act": "verify:worst"}).status_code == 302
    assert client.post(f"{FORM}review/", {"act": "verify:"}).status_code == 302
    with acting(monitor):
        assert sorted(Verification.objects.standing().values_list("item", flat=True)) == ["", "worst"]
        whole = Verification.objects.get(item="").pk
        item = Verification.objects.get(item="worst").pk
    assert f'value="unverify:{item}"' in text(client.get(FORM))
    taken = {"act": f"unverify:{whole}", f"text:{whole}": "wrong patient"}
    assert client.post(f"{FORM}review/", taken).status_code == 302
    with acting(monitor):
        assert list(Verification.objects.standing().values_list("item", flat=True)) == ["worst"]
    taken = {"act": f"unverify:{item}", f"text:{item}": "the other line", f"item:{item}": "worst"}
    assert client.post(f"{FORM}review/", taken).headers["Location"] == f"{FORM}#row-worst"
    with acting(monitor):
        assert not Verification.objects.standing().exists()


def test_a_data_manager_freezes_an_item_and_lifts_it_with_a_reason(
    operated, save, browse, coordinator, person
):
    save()
    manager = person("data_manager")
    client = browse(manager)
    freeze = {"act": "freeze:", "reach": "item:worst", "text:": "source is read again"}
    assert client.post(f"{FORM}review/", {**freeze, "text:": ""}).status_code == 422
    assert client.post(f"{FORM}review/", freeze).status_code == 302
    site = browse(coordinator)
    change = {"paindat": TODAY, "average": "3", "version": "1", "reason": "chart"}
    assert site.post(FORM, {**change, "worst": "1"}).status_code == 409
    assert site.post(FORM, change).status_code == 302, "the frozen field is not sent and stays"
    assert stored(coordinator).data["worst"]["value"] == "6"
    with acting(manager):
        lock = Lock.objects.standing().get()
    lift = {"act": f"lift:{lock.pk}", f"text:{lock.pk}": "done"}
    assert site.post(f"{FORM}review/", lift).status_code == 403
    assert client.post(f"{FORM}review/", lift).status_code == 302
    with acting(manager):
        assert not Lock.objects.standing().exists()


def test_nothing_is_done_at_a_form_by_names_that_do_not_exist(operated, save, browse, person):
    save()
    client = browse(person("data_manager"))
    for sent in (
        {"act": "place_lock:"},
        {"act": "__class__"},
        {"act": "lift:9" * 9},
        {"act": "close:²"},
        {"act": "lock:", "reach": "database", "text:": "x"},
        {"act": "lock:", "reach": "item:nothing", "text:": "x"},
    ):
        assert client.post(f"{FORM}review/", sent).status_code == 404, sent


def test_the_investigator_signs_the_casebook_and_a_change_lets_it_fall(
    operated, save, browse, coordinator, investigator
):
    save()
    client = browse(investigator)
    offered = text(client.get(f"{HOME}casebook/sign/"))
    # What is due and has no entries is named with its place; it does not hinder, for the signature falls when it comes.
    assert f"{HOME}form/BL/bpi/1/" in offered and f"{HOME}form/W1/pain/1/" not in offered
    assert 'name="password"' in offered
    assert client.post(f"{HOME}casebook/sign/", {"password": "not mine"}).status_code == 422
    assert client.post(f"{HOME}casebook/sign/", {"password": PASSWORD}).status_code == 302
    with acting(coordinator):
        assert casebook.read(coordinator, operated).cells["W1", "pain"].state == "signed"
    assert investigator.full_name in text(client.get(f"{HOME}casebook/"))
    save({**PAIN, "worst": "7"}, expected_version=1)
    with acting(coordinator):
        assert not CasebookSignature.objects.standing().exists()
        assert casebook.read(coordinator, operated).cells["W1", "pain"].state == "complete"
    shown = text(client.get(f"{HOME}casebook/"))
    assert investigator.full_name in shown and "fallen" in shown, "whoever signed sees that it fell, and why"


# Exports -------------------------------------------------------------------------------------------------------


def test_a_statistician_takes_tables_and_asks_for_a_snapshot(
    operated, browse, person, coordinator, monkeypatch
):
    from trialsite.exports.tasks import write_snapshot as task
    from trialsite.exports.writing import write_snapshot

    monkeypatch.setattr(task, "delay", lambda number: None)
    client = browse(person("statistician"))
    assert "/admin/exports/table.csv?table=labs" in text(client.get("/admin/exports/"))
    rows = b"".join(client.get("/admin/exports/table.csv?table=labs").streaming_content)
    assert operated.code.encode() in rows
    assert client.get("/admin/exports/table.csv?table=nothing").status_code == 404
    assert client.post("/admin/exports/", {"format": "csv", "purpose": ""}).status_code == 422
    assert client.post("/admin/exports/", {"format": "csv", "purpose": "interim report"}).status_code == 302
    with acting(coordinator):
        number = Snapshot.objects.values_list("pk", flat=True).get()
    early = client.get(f"/admin/exports/snapshots/{number}/file/")
    assert (early.status_code, early.headers["Location"]) == (302, "/admin/exports/")
    made = write_snapshot(number=number)
    assert made.sha256 in text(client.get("/admin/exports/"))
    taken = b"".join(client.get(f"/admin/exports/snapshots/{number}/file/").streaming_content)
    assert hashlib.sha256(taken).hexdigest() == made.sha256
    assert browse(coordinator).get("/admin/exports/").status_code == 403
