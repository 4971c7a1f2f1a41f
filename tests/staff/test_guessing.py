"""People of another hospital guess identifiers over every route: nothing is shown or changed, and a hole is found."""

import io
import random
import zipfile

import openpyxl
import psycopg
import pytest
from django.db import connections
from django.http import HttpResponse

from tests.attachments.files import plain_pdf
from tests.campaign.isolation import Fuzz, Hidden, text_of
from tests.conftest import built_once
from tests.world import MARK, build
from trialsite.console.pages.worklist import Worklist
from trialsite.participants.models.participants import ParticipantQuerySet


@built_once
def world():
    return build()


@pytest.fixture
def hidden(world, cluster):
    return Hidden(cluster.url("postgres", connections.settings["default"]["NAME"]), world.a.pk)


@pytest.fixture
def owner(hidden):
    with psycopg.connect(hidden.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def guessed(world, hidden, *routes, rounds=0):
    made = Fuzz(world, hidden, random.Random(20260101), list(routes))
    return made.run(rounds=rounds or len(made.routes))


def test_no_guessed_identifier_shows_or_changes_anything_of_another_hospital_on_any_route(world, hidden):
    done = guessed(world, hidden)
    assert not done.findings, "\n".join(" ".join(finding) for finding in done.findings)
    assert done.asked == len(done.routes) > 400


def test_a_list_and_a_page_that_forget_the_hospital_are_found(world, hidden, owner, monkeypatch):
    monkeypatch.setattr(ParticipantQuerySet, "visible_to", lambda rows, actor: rows)
    routes = ("GET /participants/", "GET /participants/{code}/", "GET admin/participants/participant/")
    assert guessed(world, hidden, *routes, rounds=40).findings == [], "the row policy stands behind it"
    owner.execute("ALTER TABLE participants_participant DISABLE ROW LEVEL SECURITY")
    faults = [finding[0] for finding in guessed(world, hidden, *routes, rounds=40).findings]
    assert any(fault.startswith("told") and world.participant.code in fault for fault in faults)
    assert "opened GET /participants/{code}/" in faults


def test_a_text_of_another_hospital_is_found_wherever_it_stands(world, hidden, owner, monkeypatch):
    monkeypatch.setattr(Worklist, "get", lambda page, request: HttpResponse(f"<td>{MARK} moved abroad</td>"))
    (finding,) = guessed(world, hidden, "GET admin/worklist/", rounds=1).findings
    assert MARK in finding[0]


def test_a_row_that_somebody_elsewhere_changed_is_found(world, hidden, owner, monkeypatch):
    def careless(page, request):
        owner.execute("UPDATE casebook_record SET state = 'draft' WHERE site_id = %s", [world.a.pk])
        return HttpResponse("done")

    monkeypatch.setattr(Worklist, "get", careless)
    assert guessed(world, hidden, "GET admin/worklist/", rounds=1).findings == [
        ("changed", "casebook_record")
    ]


def workbook():
    out, book = io.BytesIO(), openpyxl.Workbook()
    book.active.append([f"{MARK} in a cell"])
    book.save(out)
    return out.getvalue()


def archive(inner):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("inner", inner)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        plain_pdf(f"{MARK} in a paper"),
        workbook(),
        archive(f"a,{MARK}\n".encode()),
        archive(workbook()),
        f"BEGIN:VCALENDAR\r\nSUMMARY:{MARK[:2]}\r\n {MARK[2:]}\r\n".encode(),
        f'{{"name": "{MARK}"}}'.encode(),
    ],
    ids=["paper", "workbook", "archive", "workbook in an archive", "folded line", "json"],
)
def test_the_text_of_every_kind_of_answer_is_read(content):
    assert MARK in text_of("", content)
