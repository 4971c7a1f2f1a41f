"""A participant of hospital A who has left an address."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import make_person
from tests.path import walk
from trialsite.participants.models import Contact
from trialsite.participants.services import set_contact

WANG = {
    "name": "王静",
    "phone": "+86 138-0013-8000",
    "email": "Wang.Jing@mail.example",
    "language": "zh-hans",
}


@pytest.fixture
def pi(site_a: Any) -> Any:
    return make_person("pi", site_a)


@pytest.fixture
def monitor_of() -> Callable[..., Any]:
    """A monitor, who sees every participant and obtains no consent."""
    return lambda participant: make_person("monitor")


@pytest.fixture
def participant(participant_in: Callable[..., Any], site_a: Any, coordinator: Any, investigator: Any) -> Any:
    return participant_in("registered", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def reach(coordinator: Any) -> Callable[..., Contact]:
    """Writes contact details, those of WANG but for what is given."""

    def reach(participant: Any, **changes: Any) -> Contact:
        values: dict[str, Any] = {**WANG, "contact_consent": True, "reason": "as they told us", **changes}
        return set_contact(actor=coordinator, participant=participant, **values)

    return reach


@pytest.fixture
def consented(site_a: Any, coordinator: Any, investigator: Any) -> Any:
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
