"""Tokens of programs: shown once, narrowed, answered for, ended; held by the API and by the database."""

import datetime as dt

import pytest
from django.test import Client

from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.enrollment import services
from trialsite.staff import accounts
from trialsite.staff.errors import BeyondOwnRights
from trialsite.staff.models import Membership, Token, TokenUse
from trialsite.staff.services import end_membership, grant
from trialsite.staff.tokens import end_token, issue_token

DAY = dt.timedelta(days=1)
LIST = "/api/v1/participants/"


def program(secret):
    return Client(headers={"authorization": f"Token {secret}"})


def make(user, **asked):
    return issue_token(actor=user, user=user, name="nightly", valid_for=DAY, **asked)


@pytest.fixture
def both(committed, site_a, site_b, person, coordinator, coordinator_b, loader):
    """A coordinator of two hospitals, each with one participant."""
    services.register(actor=coordinator, site=site_a, registration_key="register-a")
    services.register(actor=coordinator_b, site=site_b, registration_key="register-b")
    grant(actor=loader, user=coordinator, role="coordinator", site=site_b, reason="more to do")
    coordinator.__dict__.pop("_current_memberships", None)
    return coordinator


def codes(answer):
    assert answer.status_code == 200, answer.content
    return sorted(row["code"] for row in answer.json()["results"])


def test_a_token_does_what_its_owner_may_and_only_its_digest_is_kept(both):
    secret = make(both)
    assert codes(program(secret).get(LIST)) == ["01-001", "02-001"]
    token = Token.objects.get()
    assert secret not in f"{token.digest} {token.token_key}"
    assert secret.startswith(token.token_key)


def test_a_token_sees_and_writes_at_its_hospitals_only(both, site_a, site_b):
    api = program(make(both, sites=[site_b.pk]))
    assert codes(api.get(LIST)) == ["02-001"]
    assert api.get(f"{LIST}01-001/").status_code == 404
    refused = api.post(
        f"{LIST}register/", {"site": "SHGH"}, "application/json", headers={"idempotency-key": "not-there"}
    )
    assert refused.status_code in (404, 422)
    assert codes(program(make(both)).get(LIST)) == ["01-001", "02-001"]


def test_a_token_does_nothing_outside_of_its_scopes(both):
    api = program(make(both, scopes=["participant.view"]))
    assert codes(api.get(LIST)) == ["01-001", "02-001"]
    assert api.get("/api/v1/visits/").status_code == 403
    assert api.post("/api/v1/tokens/", {"name": "more"}, "application/json").status_code == 403


def test_the_row_policies_narrow_too(both, site_b, cluster):
    """Even a defect in Python's filter would show no row beyond the token's hospitals."""
    import psycopg
    from django.db import connections

    secret = make(both, sites=[site_b.pk], scopes=["participant.view"])
    name = connections.settings["default"]["NAME"]

    def seen(session, table="participants_participant"):
        with psycopg.connect(cluster.url("edc_app", name)) as line:
            line.execute(
                "SELECT set_config('edc.actor', %s, true), set_config('edc.session', %s, true)",
                [str(both.pk), session],
            )
            return line.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]

    mark = f"token:{secret[:15]}"
    assert (seen("browser"), seen(mark)) == (2, 1)
    assert (seen("browser", "outbox_message") > 0, seen(mark, "outbox_message")) == (
        seen("browser", "outbox_message") > 0,
        0,
    )
    end_token(actor=both, token=Token.objects.get())
    assert seen(mark) == 0


def test_a_token_revoked_in_the_midst_of_a_request_shows_nothing_more(both, monkeypatch):
    from trialsite.participants import api as rooms

    secret = make(both)
    ask = rooms.ParticipantViewSet.get_queryset

    def revoked_meanwhile(self):
        rows = ask(self)
        import threading

        from django.db import connections

        def elsewhere():
            try:
                end_token(actor=both, token=Token.objects.get())
            finally:
                connections.close_all()

        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        return rows

    monkeypatch.setattr(rooms.ParticipantViewSet, "get_queryset", revoked_meanwhile)
    assert codes(program(secret).get(LIST)) == []
    assert program(secret).get(LIST).status_code == 401


def test_a_token_dies_with_its_date_its_owner_and_whoever_answers_for_it(both, person, loader, site_a):
    administrator, machine = person("administrator"), person("machine", site_a, kind="machine")
    own = make(both)
    its = issue_token(actor=administrator, user=machine, name="lab", valid_for=DAY, responsible=both)
    late = dt.timedelta(seconds=-1)
    ended = issue_token(actor=both, user=both, name="short", valid_for=late)
    assert [program(secret).get(LIST).status_code for secret in (own, its, ended)] == [200, 200, 401]
    for membership in Membership.objects.filter(user=both):
        end_membership(actor=loader, membership=membership, reason="left")
    assert [program(secret).get(LIST).status_code for secret in (own, its)] == [401, 401]
    grant(actor=loader, user=both, role="coordinator", site=site_a, reason="more to do")
    assert program(its).get(LIST).status_code == 200
    accounts.close_account(actor=administrator, user=both, reason="left")
    assert [program(secret).get(LIST).status_code for secret in (own, its)] == [401, 401]


def test_refused_tokens_stand_in_the_trail_without_their_secret_and_do_not_flood_it(both, person):
    auditor = person("auditor")

    def told():
        with acting(auditor):
            noted = Event.objects.filter(action="token_refused").order_by("id")
            return [(one.row_key, one.changes | {"by": one.actor_id}) for one in noted]

    narrow, late = make(both, scopes=["participant.view"]), dt.timedelta(seconds=-1)
    expired = issue_token(actor=both, user=both, name="short", valid_for=late)
    revoked = make(both)
    end_token(actor=both, token=Token.objects.latest("created"))
    keys = dict(Token.objects.values_list("name", "pk"))
    for _ in range(3):
        assert program("f" * 64).get(LIST).status_code == 401
        assert program("my own passphrase").get(LIST).status_code == 401
        assert program("four-quiet-herons").get(LIST).status_code == 401
        assert program(expired).get(LIST).status_code == 401
        assert program(revoked).get(LIST).status_code == 401
        assert program(narrow).get("/api/v1/visits/").status_code == 403
    lines = told()
    assert [line["why"] for _, line in lines] == ["unknown", "unknown", "expired", "revoked", "scope"]
    assert lines[2][0] == str(keys["short"])
    assert (lines[4][1]["capability"], lines[4][1]["by"]) == ("visit.view", both.pk)
    assert len({line["unknown_token"] for _, line in lines[:2]}) == 2
    assert "herons" not in str(lines)
    assert secret_free(lines, "f" * 64, expired, revoked, narrow)
    for number in range(40):
        assert program(f"{number:064x}").get(LIST).status_code == 401
    assert len(told()) == 20, "no more of one address within five minutes"


def secret_free(lines, *secrets):
    return not any(secret in str(lines) for secret in secrets)


@pytest.mark.parametrize("asked", [{"scopes": ["eligibility.sign"]}, {"scopes": []}, {"sites": [999]}])
def test_nobody_gives_a_token_more_than_they_have(committed, coordinator, asked):
    from trialsite.core.errors import Invalid

    with pytest.raises(Invalid) as refused:
        make(coordinator, **asked)
    assert list(refused.value.fields) == list(asked)


def test_a_token_gives_on_no_more_than_itself(both, site_b):
    api = program(make(both, scopes=["token.own", "participant.view"], sites=[site_b.pk]))
    wider = api.post("/api/v1/tokens/", {"name": "w", "scopes": ["record.view"]}, "application/json")
    assert (wider.status_code, wider.json()["code"]) == (422, "beyond_own_rights")
    same = api.post("/api/v1/tokens/", {"name": "same"}, "application/json").json()["token"]
    assert codes(program(same).get(LIST)) == ["02-001"]


def test_the_trail_names_the_token_and_use_is_written_once_a_minute(both, person):
    secret = make(both)
    before = TokenUse.objects.get().last_used_at
    for key in ("from-a-program-1", "from-a-program-2"):
        program(secret).post(
            f"{LIST}register/", {"site": "SHGH"}, "application/json", headers={"idempotency-key": key}
        )
    used = TokenUse.objects.get().last_used_at
    assert before is None
    assert used is not None
    assert abs(clock.now() - used) < dt.timedelta(minutes=1)
    with acting(person("auditor")):
        event = Event.objects.filter(table_name="participants_participant", action="insert").latest("id")
        assert event.session == f"token:{secret[:15]}"
        assert not Event.objects.filter(table_name="staff_tokenuse").exists()


def test_a_page_shows_makes_and_ends_tokens(both):
    client = Client()
    client.force_login(both)
    form = {
        "account": both.pk,
        "name": "laboratory",
        "days": 30,
        "scopes": ["participant.view", "record.view"],
    }
    page = client.post("/admin/account/tokens/new/", form)
    assert page.status_code == 200
    secret = page.content.decode().split('id="secret">')[1].split("<")[0]
    assert program(secret).get(LIST).status_code == 200
    shown = client.get("/admin/account/tokens/").content.decode()
    assert "laboratory" in shown
    assert secret not in shown
    client.post(f"/admin/account/tokens/{secret[:15]}/end/")
    assert program(secret).get(LIST).status_code == 401


def test_haste_is_answered_with_429_and_bulk_endpoints_are_spared(both, settings, monkeypatch):
    from trialsite.participants.api import ParticipantViewSet

    settings.API_REQUESTS_PER_MINUTE = 3
    api = program(make(both))
    answers = [api.get(LIST) for _ in range(8)]  # the minute may turn once on the way
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert 1 <= int(limited[0]["Retry-After"]) <= 61
    assert limited[0]["Content-Type"].startswith("application/problem+json")
    monkeypatch.setattr(ParticipantViewSet, "bulk", True)
    assert {api.get(LIST).status_code for _ in range(8)} == {200}


@pytest.mark.parametrize("secret", ["", "x", "\x00", "ü" * 20, "a" * 5000, "0" * 64])
def test_nonsense_in_place_of_a_token_is_refused(committed, secret):
    assert program(secret).get(LIST).status_code == 401


def test_beyond_own_rights_is_an_error_of_the_input():
    assert BeyondOwnRights.status == 422
