"""The relation of an adverse event to radiotherapy tells the arm: an assessor meets it nowhere."""

import datetime as dt
import io
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader

from tests.path import walk
from trialsite.casebook.services import save_record
from trialsite.core import clock

REMARK = "worse after the third beam"
# Whatever names the form, its items or what was entered on it.
TELLING = (REMARK, "event_treatment", "Adverse event and radiotherapy", "aereltx", "aeacntx")


@pytest.fixture
def told(data, site_a, coordinator, investigator):
    """A serious event with its report and its relation to radiotherapy; the report's record."""
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    today = clock.today(site_a.timezone).isoformat()
    aware = (clock.now() - dt.timedelta(hours=2)).isoformat(timespec="seconds")
    forms: dict[str, dict[str, Any]] = {
        "adverse_event": {"aestdat": today, "aeterm": "Redness", "aetoxgr": "3", "aeser": True},
        "event_treatment": {
            "reldat": today,
            "aeno": "1",
            "aereltx": "probable",
            "aeacntx": "interrupted",
            "reltxt": REMARK,
        },
        "sae": {
            "saestdat": today,
            "awareat": aware,
            "saeterm": "Redness",
            "saeno": "1",
            "criteria": ["hospital"],
            "saerel": "possible",
            "expected": False,
            "narrative": "Redness of the skin.",
            "saeout": "recovering",
        },
    }
    for form, values in forms.items():
        saved = save_record(actor=coordinator, participant=participant, event="LOG", form=form, values=values)
    return saved.record


def words(answer):
    """The text of a page, or of the pages of a PDF."""
    assert answer.status_code == 200
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if not content.startswith(b"%PDF"):
        return content.decode()
    pages = (page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    return " ".join(" ".join(pages).split())


@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/api/v1/participants/{code}/casebook.pdf", "Adverse event and radiotherapy"),
        ("/admin/participant/{code}/casebook/", "Adverse event and radiotherapy"),
        ("/admin/trail.csv?participant={code}", REMARK),
        ("/admin/safety/{report}/narrative.pdf", ""),
        ("/admin/safety/", ""),
        ("/api/v1/safety/", ""),
    ],
)
def test_neither_paper_nor_page_nor_trail_tells_an_assessor(told, coordinator, assessor, person, path, shows):
    address = path.format(code=told.participant.code, report=told.pk)
    client = Client(headers={"accept-language": "en"})
    client.force_login(assessor)
    text = words(client.get(address))
    assert [one for one in TELLING if one in text] == []
    if shows:
        client.force_login(person("auditor") if "trail" in path else coordinator)
        assert shows in words(client.get(address)), "what is hidden is there for who may see it"
