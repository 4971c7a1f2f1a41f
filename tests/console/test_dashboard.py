"""The first page's figures."""

import pytest

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.console import reading
from trialsite.core import clock
from trialsite.enrollment import services


@pytest.mark.usefixtures("committed", "sealed")
def test_whoever_was_randomized_counts_for_good(site_a, coordinator, investigator, assessor):
    people = [
        walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator) for _ in range(2)
    ]
    walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    died = {"dthdat": clock.today(site_a.timezone).isoformat()}
    services.record_death(actor=coordinator, participant=people[0], values=died)
    for reader in (coordinator, assessor):
        with acting(reader):
            (row,) = reading.accrual(reader)
        assert (row.registered, row.randomized) == (3, 2), reader
