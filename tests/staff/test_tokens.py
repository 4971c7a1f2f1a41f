"""Tokens of programs: shown once, narrowed, answered for, ended; held by the API and by the database."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.enrollment import services
from trialsite.participants.models import Participant
from trialsite.staff import accounts
from trialsite.staff.capabilities import GRANTED
from trialsite.staff.errors import BeyondOwnRights
from trialsite.staff.models import Membership, Token, TokenUse, User
from trialsite.staff.services import end_membership, grant
from trialsite.staff.tokens import end_token, issue_token
from trialsite.staff.wording import CAPABILITY_NAMES
from visits.models import Feed

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


def test_the_row_policies_narrow_too(both, site_a, site_b, cluster):
    """Even a defect in Python's filter would show no row beyond the token's hospitals."""
    import psycopg
    from django.db import connections

    secret = make(both, sites=[site_b.pk], scopes=["participant.view"])
    name = connections.settings["default"]["NAME"]

    def asked(session, sql):
        with psycopg.connect(cluster.url("edc_app", name)) as line:
            line.execute(
                "SELECT set_config('edc.actor', %s, true), set_config('edc.session', %s, true)",
                [str(both.pk), session],
            )
            return line.execute(sql).fetchall()[0][0]

    def seen(session, table="participants_participant"):
        return asked(session, f"SELECT count(*) FROM {table}")

    mark = f"token:{secret[:15]}"
    assert (seen("browser"), seen(mark)) == (2, 1)
    assert (seen("browser", "outbox_message") > 0, seen(mark, "outbox_message")) == (
        seen("browser", "outbox_message") > 0,
        0,
    )
    note = "SELECT edc_note('view', 'x', '1', {}, NULL, '{{}}')::text"
    assert asked(mark, note.format(site_b.pk)) == asked("browser", note.format(site_a.pk)) == ""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked(mark, note.format(site_a.pk))
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
    accounts.reopen_account(actor=administrator, user=both, reason="back")
    assert [program(secret).get(LIST).status_code for secret in (own, its)] == [401, 401], "they have ended"


def test_whoever_answers_for_a_token_ends_it(both, person, site_a, site_b):
    """The page showed the button, and refused whoever answered but did not keep the account."""
    administrator, machine = person("administrator"), person("machine", site_a, kind="machine")
    issue_token(actor=administrator, user=machine, name="lab", valid_for=DAY, responsible=both)
    token = Token.objects.get()
    with pytest.raises(Forbidden):
        end_token(actor=person("coordinator", site_b), token=token)
    end_token(actor=both, token=token)
    token.refresh_from_db()
    assert token.revoked_at is not None


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
    with pytest.raises(Invalid) as refused:
        make(coordinator, **asked)
    assert list(refused.value.fields) == list(asked)


def test_a_token_makes_no_key_that_outlives_it(both, site_b):
    """A token for hospital B made itself a successor for a year, and a feed that showed hospital A too."""
    api = program(make(both, scopes=["token.own", "feed.own", "participant.view"], sites=[site_b.pk]))
    for door in ("/api/v1/tokens/", "/api/v1/feeds/"):
        refused = api.post(door, {"name": "more"}, "application/json")
        assert (refused.status_code, refused.json()["code"]) == (403, "not_by_token")
    assert (Token.objects.count(), Feed.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    "key",
    [
        "staff_token (user_id, responsible_id) VALUES (%(who)s, %(who)s)",
        "visits_feed (user_id, name, digest, created_at) VALUES (%(who)s, 'x', 'y', now())",
    ],
)
def test_nor_does_the_database_take_one(both, cluster, committed, key):
    import psycopg

    with psycopg.connect(cluster.url("edc_app", committed)) as line:
        line.execute(
            "SELECT set_config('edc.actor', %s, true), set_config('edc.session', %s, true)",
            [str(both.pk), f"token:{make(both)[:15]}"],
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            line.execute(f"INSERT INTO {key}", {"who": both.pk})


def test_a_person_answers_for_each_token(both, person, site_a, cluster, committed):
    """A program's token made by the program itself had nobody to die with."""
    import psycopg

    machine = person("machine", site_a, kind="machine")
    with pytest.raises(Invalid) as refused:
        make(machine)
    assert list(refused.value.fields) == ["responsible"]
    with psycopg.connect(cluster.url("edc_app", committed)) as line:
        line.execute("SELECT set_config('edc.actor', %s, true)", [str(both.pk)])
        with pytest.raises(psycopg.errors.CheckViolation):
            line.execute(
                f"INSERT INTO staff_token (user_id, responsible_id) VALUES ({machine.pk}, {machine.pk})"
            )


def test_the_command_acts_as_the_loader_and_asks_who_answers(both, person, site_a, capsys):
    """It acted as the person, who had done nothing."""
    machine = person("machine", site_a, kind="machine")
    with pytest.raises(CommandError, match="responsible"):
        call_command("issue_token", machine.username, "--name", "lab")
    with pytest.raises(CommandError, match="no hospital 'XX'"):
        call_command("issue_token", both.username, "--name", "lab", "--sites", "XX")
    narrow = ("--scopes", "participant.view", "--sites", "SHGH")
    call_command("issue_token", machine.username, "--name", "lab", "--responsible", both.username, *narrow)
    assert codes(program(capsys.readouterr().out.strip()).get(LIST)) == ["01-001"]
    token = Token.objects.get()
    assert (token.responsible, token.scopes, token.sites) == (both, ["participant.view"], [site_a.pk])
    with acting(person("auditor")):
        made = Event.objects.get(table_name="staff_token", action="insert")
    assert User.objects.get(pk=made.actor_id).username == "system.loader"


def test_a_token_parted_by_a_tab_is_narrowed_and_named_too(both, site_b):
    """knox takes any white space for the parting; the trail and the row policies then knew of no token."""
    secret = make(both, sites=[site_b.pk])
    api = Client(headers={"authorization": f"Token\t{secret}"})
    assert codes(api.get(LIST)) == ["02-001"]
    api.post(
        f"{LIST}register/", {"site": "SMU3"}, "application/json", headers={"idempotency-key": "tabulated"}
    )
    with acting(both):
        assert Participant.objects.count() == 3
    assert told_of("participants_participant", both).session == f"token:{secret[:15]}"


def told_of(table, user):
    from tests.conftest import make_person

    with acting(make_person("auditor")):
        return Event.objects.filter(table_name=table, actor_id=user.pk).latest("id")


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
    offered = client.get("/admin/account/tokens/new/").content.decode()
    assert 'value="participant.view"' in offered
    assert "see participants (participant.view)" in offered
    page = client.post("/admin/account/tokens/new/", form)
    assert page.status_code == 200
    secret = page.content.decode().split('id="secret">')[1].split("<")[0]
    assert program(secret).get(LIST).status_code == 200
    shown = client.get("/admin/account/tokens/").content.decode()
    assert "laboratory" in shown
    assert secret not in shown
    assert '<span title="participant.view">see participants</span>' in shown
    chinese = client.get("/admin/account/tokens/", headers={"accept-language": "zh-hans"}).content.decode()
    assert '<span title="participant.view">查看受试者</span>' in chinese
    client.post(f"/admin/account/tokens/{secret[:15]}/end/")
    assert program(secret).get(LIST).status_code == 401


def test_the_trail_tells_scopes_in_words(both, person):
    assert program(make(both, scopes=["participant.view"])).get("/api/v1/visits/").status_code == 403
    client = Client()
    client.force_login(person("auditor"))
    lines = client.get("/admin/trail.csv?table=staff_token").getvalue().decode()
    assert ",scopes,,see participants," in lines
    assert ",right asked for,,see visits and the calendar," in lines


def test_whatever_a_token_can_be_given_has_words():
    assert set(CAPABILITY_NAMES) == GRANTED


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
