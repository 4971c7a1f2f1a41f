"""Papers: what an investigator keeps, and what each reader's copy holds and leaves out."""

import datetime as dt
import hashlib
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override
from pypdf import PdfReader

from tests.attachments.files import plain_pdf
from tests.conftest import PASSWORD, walked_once
from trialsite.attachments.services import attach, withdraw
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook import deviations, findings, querying, reviewing
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.booklet import Booklet, TooManyPages, folded, printable
from trialsite.core.paper import document, listing, paragraph
from trialsite.exports.papers import services
from trialsite.safety import reading, rules

TODAY = clock.today("Asia/Shanghai").isoformat()
PAIN = {"paindat": TODAY, "worst": "6", "average": {"missing": "refused"}}


def told(pdf):
    """The text of a paper, spaces made one."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


@pytest.fixture(autouse=True)
def _in_english():
    with override("en"):
        yield


ward, site_a, coordinator, investigator, participant = walked_once(
    __name__, "randomized", "participant", with_list=True
)


def save(coordinator, participant, values=PAIN, event="W1", form="pain", **more):
    return save_record(
        actor=coordinator, participant=participant, event=event, form=form, values=values, **more
    ).record


# The casebook --------------------------------------------------------------------------------------------------


def test_a_casebook_tells_values_queries_verification_signature_and_trail(
    participant, coordinator, investigator, person
):
    record = save(coordinator, participant)
    monitor = person("monitor", full_name="Mona Monitor")
    query = querying.raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
    querying.answer_query(actor=coordinator, query=query, text="Misread, mended.")
    save(coordinator, participant, PAIN | {"worst": "8"}, expected_version=1, reason="misread the chart")
    querying.close_query(actor=monitor, query=query, text="Thank you.")
    with acting(monitor):
        record = Record.objects.get(pk=record.pk)
    reviewing.verify(actor=monitor, record=record, items=["worst"])
    reviewing.sign_casebook(actor=investigator, participant=participant, password=PASSWORD)
    paper = services.casebook_pdf(actor=investigator, participant=participant)
    text = told(paper.pdf)
    for words in (
        f"Casebook · {participant.code}",
        "Protocol version 1.0",
        "W1 · Week 1",
        "Pain",
        "refused",
        "verified",
        "The chart says 8.",
        "Misread, mended.",
        "Mona Monitor",
        "Thank you.",
        "misread the chart",
        "Electronic signatures",
        "standing",
        "Audit trail",
        f"{paper.pages} / {paper.pages}",
        paper.content,
        "12.4 g/dL",
    ):
        assert words in text, words


def test_the_button_gives_the_paper_and_the_export_is_written_down_with_its_hash(participant, investigator):
    client = Client()
    client.force_login(investigator)
    assert "casebook.pdf" in client.get(f"/admin/participant/{participant.code}/casebook/").content.decode()
    assert "casebook.pdf" in client.get(f"/admin/participant/{participant.code}/").content.decode()
    page = client.get(f"/admin/participant/{participant.code}/casebook.pdf")
    rest = client.get(
        f"/api/v1/participants/{participant.code}/casebook.pdf", headers={"accept": "application/pdf"}
    )
    assert page.headers["Content-Type"] == rest.headers["Content-Type"] == "application/pdf"
    # Printed twice, nothing changed in between: the papers say the same.
    assert page.headers["X-Content-Hash"] == rest.headers["X-Content-Hash"]
    with acting(investigator):
        noted = Event.objects.filter(action="export", row_key="casebook", participant_id=participant.pk)
        assert [one.changes["content"] for one in noted] == [page.headers["X-Content-Hash"]] * 2


def test_what_changes_the_casebook_changes_the_hash_of_its_content(participant, coordinator):
    before = services.casebook_pdf(actor=coordinator, participant=participant)
    assert "does not include the audit trail" in told(before.pdf)
    save(coordinator, participant)
    assert services.casebook_pdf(actor=coordinator, participant=participant).content != before.content


def test_an_assessors_copy_tells_no_arm(participant, coordinator, investigator, assessor, person, site_a):
    definition = participant.protocol_version.definition
    manager = person("data_manager")
    reviewing.place_lock(
        actor=manager,
        kind="freeze",
        level="visit",
        participant=participant,
        event="SBRT",
        reason="dose check",
    )
    text = told(services.casebook_pdf(actor=assessor, participant=participant).pdf)
    assert "Not shown" in text
    for arm in definition.arms:
        assert arm.code not in text and arm.label.en not in text
    # The title of the trial, which everybody knows, names both treatments.
    rest = text.replace(definition.title.en, "")
    assert "SBRT" not in rest and "dose check" not in rest
    seen = told(services.casebook_pdf(actor=manager, participant=participant).pdf)
    assert "dose check" in seen and "RFA_PVP" in seen


def test_a_signature_over_the_casebook_tells_an_assessor_nothing(
    participant, coordinator, investigator, assessor, raw
):
    """How many records it covers, and that it fell by a form of one arm, would tell the arm."""
    reviewing.sign_casebook(actor=investigator, participant=participant, password=PASSWORD)
    save(coordinator, participant)
    for actor, seen in ((investigator, True), (assessor, False)):
        client = Client()
        client.force_login(actor)
        listed = client.get("/api/v1/signatures/").json()["results"]
        window = client.get("/admin/staff/signature/").content.decode()
        paper = told(services.casebook_pdf(actor=actor, participant=participant).pdf)
        for text in (" ".join(one["meaning"] for one in listed), window, paper):
            assert ("reviewed this casebook" in " ".join(text.split())) is seen
        covered = raw("SELECT count(*) FROM staff_signedversion WHERE reveals_arm", actor=actor)
        assert (covered[0][0] > 0) is seen


def test_a_casebook_in_chinese(participant, coordinator):
    client = Client(headers={"accept-language": "zh-hans"})
    client.force_login(coordinator)
    answer = client.get(f"/api/v1/participants/{participant.code}/casebook.pdf")
    text = told(answer.content)
    for words in ("病例报告", "稽查轨迹", "质疑", "方案版本"):
        assert words in text, words


def test_a_casebook_tells_a_deviation_in_the_language_of_its_reader(participant, coordinator):
    deviations.record(
        actor=coordinator,
        participant=participant,
        category="visit_window",
        on=dt.date.fromisoformat(TODAY),
        what=findings.what("took_long", took=20, most=14),
        why="snow",
    )
    read = {}
    for language in ("en", "zh-hans"):
        client = Client(headers={"accept-language": language})
        client.force_login(coordinator)
        read[language] = told(client.get(f"/admin/participant/{participant.code}/casebook.pdf").content)
    # The name of the variable stands beside the first line.
    assert "The last fraction was given 20 DVTERM days after the first" in read["en"]
    assert "末次分割距首次 20 天" in read["zh-hans"].replace(" ", "").replace("20", " 20 ")
    assert "The last fraction" not in read["zh-hans"]


def test_a_casebook_lists_its_files_by_name_size_and_hash(participant, coordinator, person):
    with acting(coordinator):
        lesion = Record.objects.get(participant=participant, form="lesion")
    file, named = plain_pdf(), plain_pdf("with a name")
    attach(actor=coordinator, to=lesion, title="Report of the MRI", content=file)
    private = attach(actor=coordinator, to=lesion, title="Letter", content=named, identifies=True)
    gone = attach(actor=coordinator, to=lesion, title="Of another", content=plain_pdf("gone"))
    withdraw(actor=coordinator, attachment=gone, reason="belongs to somebody else")
    text = told(services.casebook_pdf(actor=coordinator, participant=participant).pdf)
    for words in (
        f"Report of the MRI (application/pdf, {len(file)} bytes)",
        hashlib.sha256(file).hexdigest(),
        private.sha256,
        "belongs to somebody else",
    ):
        assert words in text, words
    text = told(services.casebook_pdf(actor=person("monitor"), participant=participant).pdf)
    assert hashlib.sha256(file).hexdigest() in text
    assert "Letter (application/pdf" not in text


def test_a_casebook_names_form_and_version_and_what_scores_were_computed_from(participant, coordinator):
    save(coordinator, participant)
    text = told(services.casebook_pdf(actor=coordinator, participant=participant).pdf)
    assert "Form pain of protocol 1.0 · complete · version 1 of the record" in text
    assert "not evaluable" in text
    for words in ("Computed from: ", "now: omed –, pain 6", "before_surgery: omed –, pain 7", "scale worst"):
        assert words in text, words


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_paper_carries_its_font_and_says_which_character_each_glyph_is(
    participant, coordinator, language
):
    save(
        coordinator,
        participant,
        {"aestdat": TODAY, "aeterm": "骨痛", "aetoxgr": "1", "aeser": False},
        form="adverse_event",
        event="LOG",
    )
    with override(language):
        papers = [
            services.casebook_pdf(actor=coordinator, participant=participant).pdf,
            services.blank_forms_pdf(actor=coordinator, form="pain").pdf,
            document([paragraph("Certificate 证书 ≥ 🦴")], title="x", foot="脚注"),
            listing([["trail 轨迹"]], head=["head 头"], foot="foot", most=5),
        ]
    for pdf in papers:
        for page in PdfReader(io.BytesIO(pdf)).pages:
            resources: Any = page["/Resources"]
            for font in resources["/Font"].values():
                inner: Any = font["/DescendantFonts"][0].get_object()
                assert "/FontFile3" in inner["/FontDescriptor"]
                assert "/ToUnicode" in font
    assert "骨痛" in told(papers[0])
    assert "Certificate 证书 ≥ <U+1F9B4>" in told(papers[2])
    assert "trail 轨迹" in told(papers[3])


def test_a_casebook_costs_as_many_statements_with_ten_more_records(participant, coordinator):
    def statements():
        with CaptureQueriesContext(
            connection,
        ) as seen:
            services.casebook_pdf(actor=coordinator, participant=participant)
        return len(seen)

    save(coordinator, participant)
    services.casebook_pdf(actor=coordinator, participant=participant)
    few = statements()
    with acting(coordinator):
        lesion = Record.objects.get(participant=participant, form="lesion")
    attach(actor=coordinator, to=lesion, title="Report", content=plain_pdf())
    for event in ("W2", "W4", "M3", "M6"):
        save(coordinator, participant, event=event)
        save(coordinator, participant, {}, event=event, form="opioids", complete=False)
    assert statements() == few


# The narrative of a serious adverse event ----------------------------------------------------------------------

EVENT = {"aestdat": TODAY, "aeterm": "Pneumonia", "aetoxgr": "4", "aeser": True, "aeacn": "antibiotics"}
REPORT = {
    "saestdat": TODAY,
    "awareat": f"{TODAY}T00:00:00+08:00",
    "reportedat": f"{TODAY}T00:00:00+08:00",
    "saeterm": "Pneumonia",
    "saeno": "1",
    "criteria": ["life"],
    "saerel": "possible",
    "expected": False,
    "narrative": "Fever and cough for two days, then short of breath; treated in intensive care, with oxygen.",
    "saeout": "recovering",
}
DRUG = {"cmtrt": "Morphine", "cmindc": "pain", "cmroute": "oral"}


@pytest.fixture
def reported(participant, coordinator):
    log = {"event": "LOG"}
    save(coordinator, participant, EVENT, form="adverse_event", **log)
    save(coordinator, participant, DRUG | {"cmstdat": TODAY[:7], "cmongo": True}, form="medication", **log)
    old = {"cmtrt": "Aspirin", "cmstdat": "2019", "cmendat": "2020-05", "cmongo": False}
    save(coordinator, participant, DRUG | old, form="medication", repeat=2, **log)
    return save(coordinator, participant, REPORT, form="sae", **log)


def test_a_narrative_tells_times_clocks_event_and_medication(
    reported, participant, coordinator, coordinator_b
):
    client = Client()
    client.force_login(coordinator)
    path = f"/api/v1/participants/{participant.code}/sae/1/narrative.pdf"
    answer = client.get(path)
    text = told(answer.content)
    for words in (
        "Onset",
        f"{TODAY} 00:00:00 +0800",
        "in time",
        "life-threatening",
        "possible",
        "treated in intensive care",
        "CTCAE grade 4",
        "antibiotics",
        "Morphine",
        "onset on day 3",
        "RFA_PVP",
        "keep it from whoever must not know it",
    ):
        assert words in text, words
    assert "Aspirin" not in text
    assert f"/admin/safety/{reported.pk}/narrative.pdf" in client.get("/admin/safety/").content.decode()
    page = client.get(f"/admin/safety/{reported.pk}/narrative.pdf")
    assert page.headers["Content-Type"] == "application/pdf"
    other = Client()
    other.force_login(coordinator_b)
    assert other.get(path).status_code == 404
    assert other.get(f"/admin/safety/{reported.pk}/narrative.pdf").status_code == 404


def test_a_narrative_for_an_assessor_keeps_the_arm(reported, assessor):
    text = told(services.narrative_pdf(actor=assessor, report=reported).pdf)
    assert "treated in intensive care" in text and "Not shown" in text
    assert "RFA_PVP" not in text and "SBRT" not in text


def test_a_narrative_counts_by_the_periods_in_force_as_page_and_reminders_do(
    reported, coordinator, monkeypatch
):
    monkeypatch.setattr(reading, "periods", lambda: rules.Periods(72, 7, 15))
    due = dt.datetime.fromisoformat(f"{TODAY}T00:00:00+08:00") + dt.timedelta(hours=72)
    text = told(services.narrative_pdf(actor=coordinator, report=reported).pdf)
    assert f"{due:%Y-%m-%d %H:%M:%S} +0800" in text


# Blank forms ---------------------------------------------------------------------------------------------------


def blank(user, language="en", **asked):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client.get("/api/v1/protocol/blank-forms.pdf", asked)


def test_every_form_can_be_filled_in_by_hand(data, definition, person):
    answer = blank(person("monitor"))
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages]
    text = re.sub(r"\s+", " ", " ".join(pages))
    for form in definition.forms:
        assert sum(f"{form.name.en} · {form.code}" in page for page in pages) >= 1, form.code
        for item in form.items.values():
            for words in (item.label.en, *(choice.label.en for choice in item.choices)):
                assert "".join(words.split()) in "".join(text.split()), (form.code, words)
    assert all("Protocol version 1.0" in page for page in pages)
    assert text.count("Filled in by") == len(definition.forms)


def test_the_forms_of_one_visit_carry_the_code_of_the_participant(participant, coordinator, coordinator_b):
    text = told(blank(coordinator, visit="W1", participant=participant.code).content)
    assert participant.code in text and "W1" in text and "Pain" in text and "Demographics" not in text
    assert "疼痛" in told(blank(coordinator, "zh-hans", visit="W1").content)
    page = Client()
    page.force_login(coordinator)
    listed = page.get(f"/admin/blank-forms/?participant={participant.code}").content.decode()
    assert f"visit=W1&amp;form=pain&amp;participant={participant.code}" in listed
    assert blank(coordinator_b, visit="W1", participant=participant.code).status_code == 404


@pytest.mark.parametrize("asked", [{"form": "none"}, {"visit": "none"}, {"visit": "W1", "form": "labs"}])
def test_a_blank_form_that_is_not_in_the_protocol_is_not_found(data, person, asked):
    assert blank(person("monitor"), **asked).status_code == 404


def test_blank_forms_tell_an_assessor_nothing_of_the_arms(assessor):
    assert blank(assessor, visit="SBRT").status_code == 404
    assert blank(assessor, form="arm_deviation").status_code == 404
    page = Client()
    page.force_login(assessor)
    assert "SBRT" not in page.get("/admin/blank-forms/").content.decode().replace("with or without SBRT", "")


# Drawing -------------------------------------------------------------------------------------------------------


def test_long_text_is_told_to_its_last_word_over_many_pages():
    book = Booklet(title="t", head=("left", "right"), foot="foot")
    book.table((100.0, 400.0), ("Name", "Text"))
    words = [f"word{number}" for number in range(6000)]
    book.row("long", " ".join(words))
    paper = book.finish()
    text = told(paper.pdf)
    assert all(f" {word}" in text for word in words[1:]) and paper.pages > 3
    assert text.count("Name Text") == paper.pages


def test_no_character_vanishes_on_paper():
    book = Booklet(title="t", head=("", ""), foot="")
    book.text("骨 🦴 \x07 王静 ≥")
    text = told(book.finish().pdf)
    assert "<U+1F9B4>" in text and "<U+0007>" in text and "王静" in text


@pytest.mark.parametrize("text", ["骨转移" * 200, "pain " * 300, "x" * 900, "a\n\nb", ""])
def test_folding_loses_nothing(text):
    lines = list(folded(text, 120, 8))
    assert "".join("".join(lines).split()) == "".join(printable(text.replace("\n", "")).split())


def test_a_paper_without_end_is_refused():
    book = Booklet(title="t", head=("", ""), foot="", most=2)
    with pytest.raises(TooManyPages):
        for number in range(1000):
            book.text(str(number))


def test_a_paper_that_would_not_end_is_refused_on_its_page_with_the_sentence(
    participant, coordinator, monkeypatch
):
    monkeypatch.setattr(Booklet.__init__, "__kwdefaults__", {"most": 1})
    client = Client()
    client.force_login(coordinator)
    answer = client.get(f"/admin/participant/{participant.code}/casebook.pdf")
    assert answer.status_code == 422
    assert answer.content.decode() == "This would be more than 1 pages."
