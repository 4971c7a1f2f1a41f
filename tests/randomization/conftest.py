"""Two hospitals with a coordinator and an investigator each."""

import pytest

from tests.conftest import make_person


@pytest.fixture
def team_a(site_a):
    return {"site": site_a} | {role: make_person(role, site_a) for role in ("coordinator", "investigator")}


@pytest.fixture
def team_b(site_b):
    return {"site": site_b} | {role: make_person(role, site_b) for role in ("coordinator", "investigator")}
