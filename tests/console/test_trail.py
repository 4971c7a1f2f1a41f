"""An inspector reads the trail, and takes it along."""

import csv
import datetime as dt
import html
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils.translation import override
from pypdf import PdfReader
from reportlab.pdfbase import pdfmetrics

from randomization.models import Allocation
from tests.path import walk
from trialsite.audit import services as audit
from trialsite.audit.context import acting
from trialsite.audit.models import Event, Seal
from trialsite.audit.notes import keeping_refusals
from trialsite.casebook.rules import entered
from trialsite.casebook.services import save_record
from trialsite.console.pages.trail import TrailPage, TrailPdf
from trialsite.core import clock, paper
from trialsite.core.errors import Forbidden, Invalid
from trialsite.core.fonts import FONT
from trialsite.enrollment import services
from trialsite.exports import trail
from trialsite.outbox.models import Message
from trialsite.outbox.services import put, send_due
from trialsite.participants import services as participants
from trialsite.roster.models import TrailReview
from trialsite.roster.services import review_trail
from trialsite.roster.witnesses import mail_head
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import system_actor


@pytest.fixture
def corrected(committed, sealed, site_a, coordinator, investigator):
    """A randomized participant whose weight was corrected at screening, before anything was signed."""
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    _correct(coordinator, participant)
    return participant


def _correct(coordinator, participant):
    with acting(coordinator):
        record = participant.records.get(form="labs")
    definition = participant.protocol_version.definition
    save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="labs",
        values={**entered(record.data, definition.form("labs")), "weight": {"value": "61", "unit": "kg"}},
        expected_version=record.version,
        reason="read from the wrong line",
    )


def client_of(user, language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def rows_of(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def auditor(person):
    return person("auditor")


def test_a_correction_shows_both_values_who_when_and_why_in_the_words_of_the_form(corrected, auditor):
    page = (
        client_of(auditor)
        .get(f"/admin/trail/?participant={corrected.code}&table=casebook_record")
        .content.decode()
    )
    for told in ("Body weight", "61 kg", "read from the wrong line", corrected.code, "Coordinator"):
        assert told in page
    assert "体重" in client_of(auditor, "zh-hans").get("/admin/trail/?table=casebook_record").content.decode()


def test_what_a_note_says_is_told_in_words(corrected, auditor):
    """Not as a change whose values are kept secret: a refused token, why, and the digest of what nobody knows."""
    stranger = Client(headers={"authorization": f"Token {'0' * 64}"})
    assert stranger.get("/api/v1/participants/").status_code == 401
    found = rows_of(client_of(auditor).get("/admin/trail.csv?table=staff_token"))
    told = {row["field"]: row["new"] for row in found if row["action"] == "token refused"}
    assert told["why it was refused"] == "nobody knows it"
    assert re.fullmatch("[0-9a-f]{16}", told["digest of the unknown token"])
    page = client_of(auditor, "zh-hans").get("/admin/trail/?table=staff_token").content.decode()
    assert "令牌被拒绝" in page
    assert "无此记录" in page


def test_the_csv_holds_every_line_and_the_export_is_itself_recorded(corrected, auditor):
    client = client_of(auditor)
    rows = rows_of(client.get(f"/admin/trail.csv?participant={corrected.code}"))
    corrections = [
        row for row in rows if row["reason"] == "read from the wrong line" and row["field"] == "Body weight"
    ]
    assert [row["new"] for row in corrections] == ["61 kg"]
    assert corrections[0]["old"].endswith("kg")
    exports = rows_of(client.get("/admin/trail.csv?table=audit_event"))
    assert exports[0]["action"] == "exported"


def test_a_line_says_where_it_belongs_in_the_words_of_its_own_form(corrected, auditor, coordinator):
    """Several questionnaires have an item `q1`, two forms a `temp`: each line is worded by the form of its record."""
    definition = corrected.protocol_version.definition
    treated = next(visit.code for visit in definition.visits if "vitals" in visit.forms)
    for event, form, values in (
        ("BL", "odi", {"q1": 3}),
        (treated, "vitals", {"temp": {"value": "36.9", "unit": "°C"}}),
    ):
        save_record(
            actor=coordinator, participant=corrected, event=event, form=form, values=values, complete=False
        )
    rows = rows_of(client_of(auditor).get(f"/admin/trail.csv?participant={corrected.code}"))
    told = {(row["place"], row["field"], row["new"]) for row in rows}
    names = {code: definition.form(code).name.en for code in ("odi", "vitals", "infection")}
    assert (f"BL · {names['odi']}", "Section 1", "3") in told
    assert (f"{treated} · {names['vitals']}", "Temperature", "36.9 °C") in told
    assert (f"SCR · {names['infection']}", "Highest temperature", "36.7 °C") in told
    # What hangs on a record belongs where the record does.
    assert {row["place"] for row in rows if row["what"] == "score"} <= {row["place"] for row in rows} - {""}
    page = client_of(auditor).get("/admin/trail/?field=temp").content.decode()
    assert f"{treated} · {names['vitals']}" in page
    assert "Asia/Shanghai (+0800)" in page
    printed = client_of(auditor).get(f"/admin/trail.pdf?participant={corrected.code}&field=q1").content
    assert names["odi"] in PdfReader(io.BytesIO(printed)).pages[0].extract_text()


def test_each_question_narrows_the_trail(corrected, auditor, coordinator):
    client = client_of(auditor)
    everything = rows_of(client.get("/admin/trail.csv"))
    for question, column, told in (
        (f"person={coordinator.username}", "person", {coordinator.full_name}),
        ("table=participants_consent", "what", {"consent"}),
        ("field=status", "field", {"status"}),
        ("field=hgb", "field", {"Haemoglobin"}),
        ("until=2001-01-01", "what", set()),
    ):
        rows = rows_of(client.get(f"/admin/trail.csv?{question}"))
        assert {row[column] for row in rows} == told, question
        assert rows == [row for row in everything if row[column] in told], question
    # The weight was corrected, nothing else of that form: one row tells how it was entered, one how it became.
    weights = rows_of(client.get(f"/admin/trail.csv?participant={corrected.code}&field=weight"))
    assert [(row["field"], row["new"], row["action"]) for row in weights] == [
        ("Body weight", "61 kg", "changed"),
        ("Body weight", weights[0]["old"], "created"),
    ]
    assert '<option value="hgb">' in client.get("/admin/trail/").content.decode()
    assert client.get("/admin/trail/?since=yesterday").status_code == 422


def test_a_hospitals_investigator_in_chief_reads_the_own_hospitals_trail_only(
    corrected, person, site_a, site_b
):
    here = rows_of(client_of(person("pi", site_a)).get("/admin/trail.csv?table=casebook_record"))
    there = rows_of(client_of(person("pi", site_b)).get("/admin/trail.csv?table=casebook_record"))
    assert here
    assert there == []


def test_no_value_becomes_a_formula(corrected, auditor, coordinator):
    services.fail_screening(
        actor=coordinator, participant=corrected, reason="other", note='=HYPERLINK("http://x")'
    )
    told = client_of(auditor).get("/admin/trail.csv?table=participants_screenfailure").getvalue().decode()
    assert "=HYPERLINK" in told
    cells = [cell for row in csv.reader(io.StringIO(told)) for cell in row]
    assert not [cell for cell in cells if cell.startswith("=")]


def test_the_page_costs_the_same_whatever_the_length_of_the_trail(corrected, auditor):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_of(auditor)
    client.get("/admin/trail/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/trail/?field=hgb")
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/trail/?table=casebook_record")
    assert len(many) == len(few)


def test_the_pdf_tells_the_same_in_chinese_and_is_itself_recorded(corrected, auditor):
    client = client_of(auditor, "zh-hans")
    answer = client.get(f"/admin/trail.pdf?participant={corrected.code}&table=casebook_record")
    printed = "".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    for told in ("体重", "61 kg", "read from the wrong line", corrected.code):
        assert told in printed
    with acting(auditor):
        assert Event.objects.filter(action="export", table_name="audit_event").count() == 1


def test_a_pdf_of_too_many_pages_says_so_and_names_the_csv(corrected, auditor, monkeypatch):
    monkeypatch.setattr(TrailPdf, "most", 1)
    answer = client_of(auditor).get("/admin/trail.pdf")
    assert answer.status_code == 422
    assert "more than 1 pages" in answer.content.decode()
    assert "CSV" in answer.content.decode()


def test_a_line_on_paper_is_never_wider_than_the_page_and_loses_no_character():
    text = "体重 weight " * 60
    lines = list(paper.wrapped(text, 300, 8))
    assert "".join(lines) == text
    assert max(pdfmetrics.stringWidth(line, FONT, 8) for line in lines) <= 300


def test_an_assessor_reads_the_trail_of_the_data_without_any_line_that_tells_the_arm(
    committed, sealed, site_a, coordinator, investigator, auditor, person
):
    """Two participants, one of either arm: what their trails show differs in nothing but code, person and time."""
    by_arm: dict[str, Any] = {}
    while len(by_arm) < 2:
        one = walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
        with acting(auditor):
            by_arm.setdefault(Allocation.objects.get(participant=one).arm, one)
    client = client_of(person("assessor", site_a))
    seen = {}
    for arm, one in by_arm.items():
        lines = rows_of(client.get(f"/admin/trail.csv?participant={one.code}"))
        assert lines
        assert {line["number"] for line in lines} == {""}
        assert not [line for line in lines if "SBRT" in str(line)]
        seen[arm] = [(line["what"], line["action"], line["field"], line["old"]) for line in lines]
        full = rows_of(client_of(auditor).get(f"/admin/trail.csv?participant={one.code}"))
        assert len(full) > len(lines)
    assert seen["RFA_PVP"] == seen["RFA_PVP_SBRT"]


def test_an_assessor_turns_the_pages_of_the_trail_by_marks_that_hold_no_number(
    corrected, site_a, person, monkeypatch
):
    monkeypatch.setattr(TrailPage, "at_once", 5)
    client, path, shown = client_of(person("assessor", site_a)), "/admin/trail/", []
    while path:
        page = client.get(path).content.decode()
        shown.append(page.count('class="ts-value"') // 2)
        older = re.search(r'href="(\?[^"]*before=([^"&]+))"', page)
        assert not older or not older[2].isdigit()
        path = "/admin/trail/" + html.unescape(older[1]) if older else ""
    assert len(shown) > 2
    assert all(shown)


def test_an_assessor_sees_neither_seals_nor_findings_of_reviews(corrected, site_a, person):
    today = clock.today(site_a.timezone)
    review_trail(
        actor=person("monitor"), site=site_a, since=today, until=today, scope="arms", findings="SBRT was late"
    )
    client = client_of(person("assessor", site_a))
    assert client.get("/admin/audit/seal/").status_code == 403
    assert "SBRT" not in client.get("/admin/trail/").content.decode()
    audit.seal()
    assert "Head of the trail" in client_of(person("monitor")).get("/admin/trail/").content.decode()
    assert "Head of the trail" not in client.get("/admin/trail/").content.decode()


def test_a_look_at_the_ledger_is_recorded(corrected, statistician, auditor):
    client = client_of(statistician)
    for path in (
        "/api/v1/randomization/",
        "/api/v1/randomization/ledger/",
        "/admin/randomization/allocation/",
        "/admin/randomization/overview/",
        "/admin/randomization/steer/",
        "/api/v1/randomization/strata/",
    ):
        assert client.get(path).status_code == 200, path
    with acting(auditor):
        seen = list(
            Event.objects.filter(action="view", actor_id=statistician.pk).values_list("table_name", flat=True)
        )
    assert sorted(seen) == ["randomization_allocation"] * 2 + ["randomization_scheme"] * 4


def test_a_review_of_the_trail_is_kept_with_the_head_of_that_moment(corrected, site_a, person, auditor):
    monitor, today = person("monitor"), clock.today(site_a.timezone)
    audit.seal()
    given = {"site": site_a, "since": today, "until": today, "scope": "weights", "findings": "one correction"}
    with pytest.raises(Forbidden):
        review_trail(actor=auditor, **given)
    for change, field in (
        ({"findings": " "}, "findings"),
        ({"until": today - dt.timedelta(days=1)}, "until"),
        ({"until": today + dt.timedelta(days=2)}, "until"),
    ):
        with pytest.raises(Invalid) as refused:
            review_trail(actor=monitor, **{**given, **change})
        assert field in refused.value.fields
    answer = client_of(monitor).post(
        "/admin/trail/review/",
        {**given, "site": site_a.code, "since": today.isoformat(), "until": today.isoformat()},
    )
    assert answer.status_code == 302
    with acting(auditor):
        assert TrailReview.objects.get().head == Seal.objects.latest("id").hash
    assert "one correction" in client_of(auditor).get("/admin/trail/").content.decode()


def test_the_head_is_mailed_to_its_witnesses_once_a_day(corrected, auditor, trial_manager, mailoutbox):
    planner, now = system_actor("system.reminders"), clock.now()
    audit.seal()
    with acting(planner):
        head = Seal.objects.latest("id").hash
    assert mail_head(actor=planner, now=now) == 2
    assert mail_head(actor=planner, now=now) == 2
    with acting(planner):
        assert Message.objects.filter(kind="trail_head").count() == 2
    assert mail_head(actor=planner, now=now + dt.timedelta(days=1)) == 2
    with acting(planner):
        assert Message.objects.filter(kind="trail_head").count() == 4
    send_due(actor=system_actor("system.outbox"), now=now + dt.timedelta(minutes=1))
    witnesses = [mail for mail in mailoutbox if head in mail.body]
    assert {mail.to[0] for mail in witnesses} == {auditor.email, trial_manager.email}


@pytest.fixture
def signed(committed, site_a, coordinator, investigator):
    """An eligible participant whose signature fell with a corrected weight; a second one was refused. And a message."""
    participant = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    _correct(coordinator, participant)
    day = clock.today(site_a.timezone) - dt.timedelta(days=3)
    with keeping_refusals(), pytest.raises(WrongPassword):
        services.sign_eligibility(
            actor=investigator,
            participant=participant,
            password="a guess",
            surgery_on=day,
        )
    put(
        actor=system_actor("system.loader"),
        key="of the story",
        kind="visit",
        recipient="participant:1",
        channel="email",
        payload={},
        site=site_a,
        due_at=clock.now(),
        subject_code=participant.code,
    )
    return participant


def test_by_participant_signatures_and_messages_are_told_too(
    signed, auditor, coordinator, investigator, site_a
):
    """Their tables have no column for the participant: a fallen signature was not among what befell the person."""
    other = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    client = client_of(auditor)
    for participant, fell in ((signed, 1), (other, 0)):
        rows = rows_of(client.get(f"/admin/trail.csv?participant={participant.code}"))
        told = [(row["what"], row["action"], row["field"]) for row in rows]
        assert told.count(("signature", "changed", "fallen at")) == fell
        assert sum(row[:2] == ("signature", "signature refused") for row in told) == fell
        assert sum(row == ("message", "created", "about") for row in told) == fell
        assert ("signature", "created", "meaning") in told
    paper_of = client.get(f"/api/v1/participants/{signed.code}/casebook.pdf").getvalue()
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper_of)).pages)
    assert "signature: changed" in " ".join(text.split())


def test_after_a_transfer_each_hospital_finds_its_share_by_the_code(
    signed, person, trial_manager, site_a, site_b
):
    """The old hospital's reviewer found nothing under a code that was no longer theirs."""
    participants.transfer(actor=trial_manager, participant=signed, to=site_b, reason="Moved to Guangzhou.")
    here, there = (
        rows_of(client_of(person("pi", site)).get(f"/admin/trail.csv?participant={signed.code}"))
        for site in (site_a, site_b)
    )
    assert {row["site"] for row in here} == {site_a.name}
    assert {row["site"] for row in there} == {site_b.name}
    done = {(row["what"], row["action"]) for row in here}
    assert {("participant", "created"), ("signature", "signature refused"), ("message", "created")} <= done
    assert {row["participant"] for row in here} == {signed.code, ""}
    assert ("participant", "created") not in {(row["what"], row["action"]) for row in there}
    assert ("participant", "changed") in {(row["what"], row["action"]) for row in there}


@pytest.mark.django_db
def test_every_table_and_column_under_the_trail_is_named_in_both_languages():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE t.tgname LIKE '%%\\_trail' AND a.attname <> 'id'"
        )
        found = cursor.fetchall()
    assert len(found) > 300
    with override("zh-hans"):
        words = {(table, name): trail.column_words(table, name) for table, name in found}
        tables = dict(trail.tables())
    assert [place for place, said in words.items() if said.isascii()] == []
    assert [table for table in {table for table, _ in found} if tables[table].isascii()] == []
