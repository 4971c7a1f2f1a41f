"""Two hospitals with a coordinator and an investigator each."""

import pytest

from tests.randomization.stories import made_team


@pytest.fixture
def team_a(site_a):
    return made_team(site_a.code)


@pytest.fixture
def team_b(site_b):
    return made_team(site_b.code)
