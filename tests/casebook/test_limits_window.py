"""The register of limits of normal as people read it."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from trialsite.casebook import limits

pytestmark = pytest.mark.django_db


def test_the_list_names_items_in_the_readers_language_beside_their_code_and_reads_the_protocol_once(
    site_a, coordinator, definition
):
    def enter(item, **more):
        given = {"form": "labs", "item": item, "value": "50", "source": "report", **more}
        limits.enter(
            actor=coordinator,
            site=site_a,
            definition=definition,
            valid_from=dt.date(2026, 1, 1),
            **given,
        )

    client = Client()
    client.force_login(coordinator)

    def page(language="en"):
        with CaptureQueriesContext(connection) as asked:
            answer = client.get("/admin/casebook/normallimit/", headers={"accept-language": language})
        return answer.content.decode(), len(asked)

    enter("ast", unit="U/L")
    page()
    _text, alone = page()
    enter("alt", unit="U/L", sex="female")
    enter("creat", unit="µmol/L")
    text, together = page()
    assert together == alone
    for words in ("AST (ast)", "Creatinine (creat)", "50 µmol/L", "female", "Laboratory"):
        assert words in text
    text, _number = page("zh-hans")
    for words in ("肌酐 (creat)", "实验室检查"):
        assert words in text
