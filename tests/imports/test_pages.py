"""Files on the screen: tried, looked at, saved for good; whatever is uploaded, a sentence and nothing stored."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.imports.conftest import client_of
from tests.imports.test_imports import TODAY, events, states
from trialsite.audit.context import acting
from trialsite.imports import services, tasks, working
from trialsite.imports.errors import NotTried
from trialsite.imports.models import Import, ImportFile

PAGE = "/admin/imports/"


def upload(user, content, form="adverse_event", reason="from the diary"):
    file = SimpleUploadedFile("rows.csv", content if isinstance(content, bytes) else content.encode())
    return client_of(user).post(PAGE, {"form": form, "reason": reason, "file": file})


def page(user, path):
    answer = client_of(user).get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def worked(user, path):
    number = int(path.rstrip("/").rpartition("/")[2])
    working.work_off(actor=user, number=number)
    return page(user, path)


def test_a_file_is_tried_then_saved_by_one_click(empty, coordinator):
    lines = [f"{TODAY},fever,2,N", f"{TODAY},pain,9,N", f"{TODAY},rash,1,N"]
    before = states(coordinator)
    tried = upload(coordinator, events(empty, *lines)).headers["Location"]
    assert 'hx-trigger="every 2s"' in page(coordinator, tried)
    text = worked(coordinator, tried)
    assert "every 2s" not in text
    assert "Save 2 rows" in text
    assert "<strong>aetoxgr</strong>" in text
    assert states(coordinator) == before
    saved = client_of(coordinator).post(tried, {"act": "save"}).headers["Location"]
    assert saved != tried
    assert client_of(coordinator).post(saved, {"act": "save"}).status_code == 404
    assert "saved for good" in worked(coordinator, saved)
    assert len(states(coordinator)) == 2
    assert "fragment" not in page(coordinator, f"{saved}?part=1")
    assert "<html" not in page(coordinator, f"{saved}?part=1")


@pytest.mark.parametrize(
    ("form", "event", "row", "english", "chinese"),
    [
        ("pain", "BL", {"worst": "11"}, "Not possible: the range is 0 to 10", "不可能的数值：范围为 0 至 10"),
        (
            "pain",
            "BL",
            {"paindat": "2019-01-01", "worst": "3", "average": "3"},
            "the trial alone",
            "仅为本研究进行",
        ),
        ("pain", "XX", {}, "There is no form “pain”", "没有表单“pain”"),
    ],
)
def test_each_reader_has_the_reasons_in_their_language(
    empty, coordinator, form, event, row, english, chinese
):
    """They were worded in the language of the account, and stayed in it."""
    rows = [{"participant": empty.code, "event": event, "values": row}]
    address = upload(coordinator, json.dumps(rows), form).headers["Location"]
    worked(coordinator, address)
    there = f"/api/v1/imports/{address.rstrip('/').rpartition('/')[2]}/faults/"
    for language, words in (("en", english), ("zh-hans", chinese)):
        answer = client_of(coordinator).get(there, headers={"accept-language": language})
        (fault,) = answer.json()["results"]
        assert words in str([fault["message"], fault["fields"]]), fault


def test_a_list_in_json_is_taken_too(empty, coordinator):
    row = {"participant": empty.code, "event": "LOG", "values": {"aeterm": "fever"}, "state": "draft"}
    for rows in ([row], {"rows": [row]}):
        text = worked(coordinator, upload(coordinator, json.dumps(rows)).headers["Location"])
        assert "Save 1 row" in text


def test_only_a_dry_run_that_has_ended_is_saved_for_good(empty, coordinator):
    upload(coordinator, events(empty, f"{TODAY},fever,2,N"))
    with acting(coordinator):
        tried = Import.objects.get()
    with pytest.raises(NotTried):
        services.confirm(actor=coordinator, tried=tried)
    working.work_off(actor=coordinator, number=tried.pk)
    saved, new = services.confirm(actor=coordinator, tried=tried)
    assert new
    with pytest.raises(NotTried):
        services.confirm(actor=coordinator, tried=saved)


HOSTILE = {
    "empty": (b"", "The file is empty"),
    "head alone": (b"participant,event,aeterm\n", "rows"),
    "gbk": ("participant,event,aeterm\n01-001,LOG,发热\n".encode("gbk"), "UTF-8"),
    "utf-16": ("participant,event\n01-001,LOG\n".encode("utf-16"), "UTF-8"),
    "workbook": (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00", "columns"),
    "null bytes": (b"participant,event\n\x00,\x00\n" * 1, None),
    "open quote": (b'participant,event\n"01-001,LOG\n', "CSV"),
    "unknown column": (b"participant,event,colour\n1,2,3\n", "colour"),
    "column twice": (b"participant,event,aeterm,aeterm\n1,2,3,4\n", "twice"),
    "without participant": (b"event,aeterm\n1,2\n", "participant"),
    "cut json": (b'[{"participant": ', "JSON"),
    "deep json": (b"[" * 100_000, "JSON"),
    "json object": (b'{"participant": "x"}', "list of rows"),
    "no rows": (b"[]", "rows"),
    "too many rows": (b"participant,event\n" + b"a,b\n" * 10_001, "10000"),
    "too large": (b"participant,event\n" + b"x" * 2_100_000, "bytes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_a_sentence_and_nothing_is_stored(empty, coordinator, name):
    content, word = HOSTILE[name]
    before = states(coordinator)
    answer = upload(coordinator, content)
    if word is None:  # readable as a file: its rows are refused one by one
        assert "Refused rows" in worked(coordinator, answer.headers["Location"])
    else:
        assert answer.status_code == 422
        assert "✗" in answer.content.decode()
        assert word in answer.content.decode()
        with acting(coordinator):
            assert not Import.objects.exists()
            assert not ImportFile.objects.exists()
    assert states(coordinator) == before


def test_what_is_far_too_large_is_not_even_read(empty, coordinator):
    assert upload(coordinator, b"x" * 17_000_000).status_code == 413


def test_the_form_and_the_reason_are_needed(empty, coordinator, assessor):
    assert upload(coordinator, "x", form="death").status_code == 422
    assert upload(coordinator, "x", reason=" ").status_code == 422
    assert "(sbrt" not in page(assessor, PAGE)
    assert "(arm_deviation)" not in page(assessor, PAGE)
    assert "(arm_deviation)" in page(coordinator, PAGE)


def test_an_import_belongs_to_whoever_asked_for_it(empty, coordinator, investigator, coordinator_b):
    tried = upload(coordinator, events(empty, f"{TODAY},fever,2,N")).headers["Location"]
    for stranger in (investigator, coordinator_b):
        assert client_of(stranger).get(tried).status_code == 404
        assert client_of(stranger).post(tried, {"act": "resume"}).status_code == 404


def test_resume_tells_the_worker_once_more(
    empty, coordinator, monkeypatch, django_capture_on_commit_callbacks
):
    tried = upload(coordinator, events(empty, f"{TODAY},fever,2,N")).headers["Location"]
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(tasks.work_off, "delay", lambda *ids: told.append(ids))
    client_of(coordinator).post(tried, {"act": "resume"})
    assert told == [(int(tried.split("/")[3]), coordinator.pk)]
