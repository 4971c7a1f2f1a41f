"""What a save asks of the database: a fixed number of statements, trail and checks included."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.path import walk
from trialsite.casebook.services import save_record
from trialsite.core import clock


def test_a_save_takes_few_statements(committed, site_a, coordinator, investigator):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    today = clock.today(site_a.timezone).isoformat()

    def cost(form, values, **more):
        """Begin, actor and commit among them."""
        with CaptureQueriesContext(connection) as asked:
            save_record(
                actor=coordinator, participant=participant, event="W1", form=form, values=values, **more
            )
        return len(asked)

    pain = {"paindat": today, "worst": "6", "average": "4"}
    signs = {"vsdat": today, "sysbp": "190"}
    cost("pain", pain)  # what a process reads once
    assert {
        # Pain is scored: the response at this visit, against both baselines.
        "changed": cost("pain", pain | {"worst": "5"}, expected_version=1, reason="misread"),
        "same again": cost("pain", pain | {"worst": "5"}, expected_version=2),
        "new draft with a query": cost("vitals", signs, complete=False),
        "one item of it": cost("vitals", {"diabp": "80"}, complete=False, partial=True, expected_version=1),
    } == {"changed": 9, "same again": 7, "new draft with a query": 8, "one item of it": 8}
