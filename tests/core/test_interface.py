"""Whatever a program sends, the API answers without failing."""

import datetime as dt

from tests.campaign.interface import failures
from tests.path import walk
from trialsite.staff.tokens import issue_token


def test_no_request_that_fits_the_description_makes_the_server_fail(
    committed, sealed, site_a, coordinator, investigator
):
    walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    secret = issue_token(actor=coordinator, user=coordinator, name="s", valid_for=dt.timedelta(days=1))
    found, sent = failures({"Authorization": f"Token {secret}"}, examples=3, number=20260101)
    assert found == []
    assert sent > 100
