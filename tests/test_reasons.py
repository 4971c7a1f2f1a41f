"""What was given once changes for a reason only: a table of the doors that rewrite or take away, and two of them."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.participants.models import Contact

# Doors of the REST interface that rewrite or take away something, and ask for no reason: why not.
NO_REASON = {
    "PUT /holiday-years/{year}/": "declares a year complete, once; the official notice is named",
    "PUT /participants/{code}/identity/": "another identity than the one recorded is refused",
    "PUT /participants/{code}/identity/unavailable/": "what is given is itself the reason",
    "PUT /reminders/preferences/": "one's own wishes, no datum of the trial",
    "DELETE /feeds/{id}/": "one's own key; its row stays",
    "DELETE /tokens/{token_key}/": "one's own key; its row stays",
}


def test_every_door_that_rewrites_or_takes_away_asks_for_a_reason_or_stands_here():
    described = SchemaGenerator().get_schema(request=None, public=True)
    schemas, silent = described["components"]["schemas"], set()
    for path, methods in described["paths"].items():
        for method in ("put", "patch", "delete"):
            if method not in methods:
                continue
            content = methods[method].get("requestBody", {}).get("content", {})
            named = {body["schema"].get("$ref", "").rpartition("/")[2] for body in content.values()}
            if not any("reason" in schemas.get(name, {}).get("properties", {}) for name in named):
                silent.add(f"{method.upper()} {path.removeprefix('/api/v1')}")
    assert silent <= NO_REASON.keys()
    assert len(described["paths"]) > 50


@pytest.fixture
def registered(committed, participant_in, site_a, coordinator, investigator):
    return participant_in("registered", site=site_a, coordinator=coordinator, investigator=investigator)


def test_contact_data_change_for_a_reason_only(registered, coordinator, auditor_of_all, client):
    client.force_login(coordinator)
    at = f"/api/v1/participants/{registered.code}/contact/"
    given = {"name": "王静", "phone": "021-5550100", "email": "", "language": "en", "contact_consent": True}

    def put(**changes):
        return client.put(at, given | changes, "application/json")

    assert put().status_code == 200, "the first time none is asked"
    assert put().status_code == 200, "nothing changes"
    for change in ({"phone": "021-5550199"}, {"opted_out": True}, {"language": "zh-hans"}):
        for reason in ("", "   "):
            refused = put(**change, reason=reason)
            assert (refused.status_code, list(refused.json()["fields"])) == (422, ["reason"])
    with acting(coordinator):
        assert Contact.objects.get().phone == "021-5550100"
    assert put(opted_out=True, reason="asked by telephone").status_code == 200
    with acting(auditor_of_all):
        newest = Event.objects.filter(table_name="participants_contact", action="update").latest("id")
    assert (newest.reason, newest.changes["opted_out"]) == ("asked by telephone", [False, True])


def test_the_page_of_contact_data_asks_too(registered, coordinator, client):
    client.force_login(coordinator)
    at = f"/admin/participant/{registered.code}/contact/"
    given = {"name": "王静", "phone": "021-5550100", "language": "en", "channel": "email"}
    assert client.post(at, given).status_code == 302
    refused = client.post(at, given | {"phone": "021-5550199"})
    assert refused.status_code == 422
    assert "A reason is needed." in refused.content.decode()
    assert client.post(at, given | {"phone": "021-5550199", "reason": "new number"}).status_code == 302


@pytest.fixture
def auditor_of_all(person):
    return person("auditor")
