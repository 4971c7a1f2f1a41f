"""What is read and compiled once is read again by each run: mutations of the rules must not hide behind a cache."""

import pytest

from tests.eligibility import judging
from trialsite.protocol.expression import checking


@pytest.fixture(scope="session", autouse=True)
def _fresh_rules():
    judging.document.cache_clear()
    judging._plain.cache_clear()
    checking.parse.cache_clear()
