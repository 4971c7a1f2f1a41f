"""The one door: user name and passphrase, the second factor, limits, sessions; all of it over HTTP."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client

from tests.conftest import PASSWORD
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.staff import accounts
from trialsite.staff.models import Session, User

pytestmark = pytest.mark.django_db


def sign_in(client, user, password=PASSWORD, **where):
    name = user if isinstance(user, str) else user.username
    return client.post("/sign-in/", {"login": name, "password": password}, **where)


def code_of(secret, steps=0):
    """What an app on the telephone shows now, or some steps of 30 s later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def trail(reader, *actions):
    with acting(reader):
        return list(Event.objects.filter(action__in=actions).order_by("id"))


def enrol(client):
    """Set up the second factor by the pages; returns the secret that the telephone keeps."""
    return enrol_by_code(client)[0]


def enrol_by_code(client):
    """The same; returns the secret, and the code that was shown for it."""
    page = client.get("/admin/account/second-factor/set-up/").content.decode()
    (secret,) = re.findall(r"<code>(\w+)</code>", page)
    code = code_of(secret)
    answer = client.post("/admin/account/second-factor/set-up/", {"code": code})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/account/recovery-codes/")
    return secret, code


@pytest.fixture
def auditor(person):
    return person("auditor")


@pytest.fixture
def administrator(person):
    return person("administrator")


def test_a_person_signs_in_works_and_signs_out_and_the_trail_tells_it(coordinator, auditor):
    client = Client(headers={"user-agent": "Firefox at the ward"})
    assert client.get("/admin/worklist/", follow=True).redirect_chain[-1][0].startswith("/sign-in/?next=")
    answer = sign_in(client, coordinator)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/worklist/").status_code == 200
    shown = client.get("/admin/account/").content.decode()
    assert "Firefox at the ward" in shown
    assert "study coordinator" in shown
    client.post("/admin/logout/")
    assert client.get("/admin/worklist/").status_code == 302
    told = [(event.action, event.actor_id) for event in trail(auditor, "sign_in", "sign_out")]
    assert told == [("sign_in", coordinator.pk), ("sign_out", coordinator.pk)]


def test_the_admins_own_pages_do_not_pass_by_the_door(coordinator):
    client = Client()
    assert client.get("/admin/login/")["Location"].startswith("/sign-in/")
    posted = client.post("/admin/login/", {"username": coordinator.username, "password": PASSWORD})
    assert posted["Location"].startswith("/sign-in/")
    client.force_login(coordinator)
    assert client.get("/admin/password_change/")["Location"] == "/admin/account/passphrase/"


def test_a_sign_in_leads_back_to_where_one_wanted_to_go_and_never_to_another_site(coordinator):
    ask = {"login": coordinator.username, "password": PASSWORD}
    assert Client().post("/sign-in/", {**ask, "next": "/admin/worklist/"})["Location"] == "/admin/worklist/"
    assert Client().post("/sign-in/", {**ask, "next": "https://evil.example/"})["Location"] == "/admin/"


def test_a_failure_is_trailed_and_a_passphrase_in_the_wrong_field_is_not_written_down(coordinator, auditor):
    wrong = sign_in(Client(), coordinator, "not the passphrase")
    unknown = sign_in(Client(), "my secret passphrase", "x")
    same = "User name and passphrase do not belong together"
    assert same in wrong.content.decode()
    assert same in unknown.content.decode()
    first, second = trail(auditor, "sign_in_failed")
    assert (first.row_key, second.row_key) == (str(coordinator.pk), "")
    assert "my secret" not in str(second.changes)
    assert len(second.changes["unknown_name"]) == 16
    assert User.objects.get(pk=first.actor_id).username == "system.door"


@pytest.mark.parametrize("header", [{"x-requested-with": "XMLHttpRequest"}, {"accept": "application/json"}])
def test_a_failure_asked_for_by_a_script_is_trailed_too(coordinator, auditor, header):
    """It was answered 400, and with the request the row about it was undone; the flag that it was told stayed."""
    client = Client(headers=header)
    for _ in range(7):
        assert sign_in(client, coordinator, "guess").status_code == 200
    assert len(trail(auditor, "sign_in_failed")) == 6
    assert len(trail(auditor, "sign_in_limited")) == 1


def test_programs_and_closed_accounts_do_not_sign_in(person, site_a, coordinator, administrator):
    assert sign_in(Client(), person("machine", site_a, kind="machine")).status_code == 200
    accounts.close_account(actor=administrator, user=coordinator, reason="left the hospital")
    assert sign_in(Client(), coordinator).status_code == 200
    assert not Session.objects.filter(user=coordinator).exists()


def test_guessing_is_limited_here_and_locks_nobody_out_elsewhere(coordinator, auditor):
    attacker, owner = {"REMOTE_ADDR": "198.51.100.7"}, {"REMOTE_ADDR": "192.0.2.20"}
    for _ in range(6):
        sign_in(Client(), coordinator, "guess", **attacker)
    limited = sign_in(Client(), coordinator, PASSWORD, **attacker)
    assert "Too many attempts" in limited.content.decode()
    sign_in(Client(), coordinator, PASSWORD, **attacker)
    assert len(trail(auditor, "sign_in_limited")) == 1, "a flood of attempts does not flood the trail"
    assert sign_in(Client(), coordinator, PASSWORD, **owner).status_code == 302


def test_one_address_cannot_try_all_names(coordinator, person, site_a, settings):
    # Sixty guesses at the price of guesses would take ten seconds; the limit counts them, whatever they cost.
    settings.PASSWORD_HASHERS = ["tests.conftest.CheapArgon2"]
    attacker = {"REMOTE_ADDR": "198.51.100.7"}
    for number in range(60):
        sign_in(Client(), f"name{number}", "guess", **attacker)
    assert "Too many attempts" in sign_in(Client(), coordinator, PASSWORD, **attacker).content.decode()
    other = {"REMOTE_ADDR": "198.51.100.8"}
    assert sign_in(Client(), coordinator, PASSWORD, **other).status_code == 302


def test_the_own_right_passphrase_and_code_do_not_wipe_out_the_count_of_an_address(
    coordinator, coordinator_b, settings
):
    """Whoever had one account could try 60 guesses at others, sign in, and try 60 more."""
    settings.PASSWORD_HASHERS = ["tests.conftest.CheapArgon2"]
    attacker = {"REMOTE_ADDR": "198.51.100.7"}
    own, again = Client(), Client(REMOTE_ADDR="198.51.100.7")
    sign_in(own, coordinator_b)
    secret = enrol(own)
    for number in range(59):
        sign_in(Client(), f"name{number}", "guess", **attacker)
    sign_in(again, coordinator_b)
    assert again.post("/sign-in/code/", {"code": code_of(secret, 1)}).status_code == 302
    sign_in(Client(), "one more", "guess", **attacker)
    assert "Too many attempts" in sign_in(Client(), coordinator, PASSWORD, **attacker).content.decode()


def test_codes_beyond_the_limit_stand_in_the_trail_once(coordinator, auditor):
    client = Client()
    sign_in(client, coordinator)
    enrol(client)
    other = Client()
    sign_in(other, coordinator)
    for _ in range(10):
        other.post("/sign-in/code/", {"code": "000000"})
    assert len(trail(auditor, "sign_in_failed")) == 6
    assert [event.changes["step"] for event in trail(auditor, "sign_in_limited")] == ["code"]


def test_an_ipv6_network_counts_as_one_address(coordinator):
    for number in range(6):
        sign_in(Client(), coordinator, "guess", REMOTE_ADDR=f"2001:db8::{number + 1}")
    limited = sign_in(Client(), coordinator, PASSWORD, REMOTE_ADDR="2001:db8::ffff")
    assert "Too many attempts" in limited.content.decode()


# The second factor -----------------------------------------------------------------------------------------------


def test_the_second_factor_from_set_up_to_recovery_code(coordinator, auditor):
    client = Client()
    sign_in(client, coordinator)
    secret = enrol(client)
    codes = re.findall(r"<code>(\d{8})</code>", client.get("/admin/account/recovery-codes/").content.decode())
    assert len(codes) == 10
    again = client.get("/admin/account/recovery-codes/").content.decode()
    assert not any(code in again for code in codes), "they are shown once"

    other = Client()
    assert sign_in(other, coordinator)["Location"] == "/sign-in/code/"
    assert other.get("/admin/worklist/").status_code == 302, "the passphrase alone opens nothing"
    assert "not correct" in other.post("/sign-in/code/", {"code": "000000"}).content.decode()
    assert other.post("/sign-in/code/", {"code": code_of(secret, 1)})["Location"] == "/admin/"
    assert other.get("/admin/worklist/").status_code == 200

    third = Client()
    sign_in(third, coordinator)
    assert third.post("/sign-in/code/", {"code": codes[0]})["Location"] == "/admin/"
    fourth = Client()
    sign_in(fourth, coordinator)
    assert "not correct" in fourth.post("/sign-in/code/", {"code": codes[0]}).content.decode()
    steps = [event.changes["step"] for event in trail(auditor, "sign_in_failed")]
    assert steps == ["code", "code"]
    with acting(auditor):
        rows = Event.objects.filter(table_name="mfa_authenticator")
        assert {event.changes["data"] for event in rows if "data" in event.changes} == {"changed"}


def test_a_code_opens_the_door_once(coordinator):
    client = Client()
    sign_in(client, coordinator)
    secret = enrol(client)
    code = code_of(secret, 1)
    for expected in (302, 200):
        browser = Client()
        sign_in(browser, coordinator)
        assert browser.post("/sign-in/code/", {"code": code}).status_code == expected


def test_the_code_that_set_it_up_opens_no_door(coordinator):
    """Whoever looked over the shoulder had the rest of the thirty seconds."""
    client = Client()
    sign_in(client, coordinator)
    secret, code = enrol_by_code(client)
    browser = Client()
    sign_in(browser, coordinator)
    assert browser.post("/sign-in/code/", {"code": code}).status_code == 200
    assert browser.post("/sign-in/code/", {"code": code_of(secret, 1)}).status_code == 302


def test_the_seed_lies_encrypted_in_the_database(coordinator):
    client = Client()
    sign_in(client, coordinator)
    secret = enrol(client)
    assert secret not in str(list(Authenticator.objects.values_list("data", flat=True)))


def test_where_it_is_required_nobody_works_without_a_second_factor(coordinator, settings):
    settings.MFA_REQUIRED = True
    client = Client()
    sign_in(client, coordinator)
    set_up = "/admin/account/second-factor/set-up/"
    for page in ("/admin/", "/admin/worklist/", "/admin/account/tokens/new/"):
        assert client.get(page)["Location"] == set_up
    assert client.get("/api/v1/participants/").status_code == 403
    enrol(client)
    assert client.get("/admin/worklist/").status_code == 200
    assert client.get("/api/v1/participants/").status_code == 200


def test_where_it_is_required_nobody_works_on_after_taking_it_away(coordinator, settings):
    """The session remembered that there had been one."""
    settings.MFA_REQUIRED = True
    client, other = Client(), Client()
    sign_in(client, coordinator)
    secret = enrol(client)
    sign_in(other, coordinator)
    other.post("/sign-in/code/", {"code": code_of(secret, 1)})
    assert [one.get("/admin/worklist/").status_code for one in (client, other)] == [200, 200]
    client.post("/admin/account/second-factor/remove/")
    assert not Authenticator.objects.filter(type="totp").exists()
    assert client.get("/admin/worklist/")["Location"] == "/admin/account/second-factor/set-up/"
    assert other.get("/admin/worklist/")["Location"].startswith("/admin/login/"), "the other one ended"


def test_guessing_where_the_passphrase_is_changed_is_limited_and_trailed(coordinator, auditor):
    client = Client()
    sign_in(client, coordinator)
    new = "four quiet herons on the weir"
    asked = {"passphrase": new, "again": new}
    for number in range(8):
        client.post("/admin/account/passphrase/", {"present": f"guess {number}", **asked})
    refused = client.post("/admin/account/passphrase/", {"present": PASSWORD, **asked})
    assert "Too many wrong entries" in refused.content.decode()
    told = [(event.actor_id, event.changes["why"]) for event in trail(auditor, "passphrase_refused")]
    assert told[:7] == [(coordinator.pk, "invalid")] * 6 + [(coordinator.pk, "too_many_attempts")]
    assert sign_in(Client(), coordinator).status_code == 302, "the passphrase is the old one"


def test_a_lost_telephone_is_freed_by_another_administrator_with_a_reason(coordinator, administrator):
    client, keeper = Client(), Client()
    sign_in(client, coordinator)
    enrol(client)
    sign_in(keeper, administrator)
    address = f"/admin/people/{coordinator.pk}/free/"
    keeper.post(address, {"reason": ""})
    assert Authenticator.objects.exists()
    keeper.post(address, {"reason": "telephone lost, identity checked by video"})
    assert not Authenticator.objects.exists()
    assert client.get("/admin/worklist/").status_code == 302, "the sessions end with it"


# Sessions --------------------------------------------------------------------------------------------------------


def _age(client, **seconds):
    session = client.session
    for name, age in seconds.items():
        session[name] = clock.now().timestamp() - age
    session.save()


def test_an_idle_session_ends(coordinator, auditor):
    client = Client()
    sign_in(client, coordinator)
    _age(client, seen=29 * 60)
    assert client.get("/admin/worklist/").status_code == 200
    _age(client, seen=31 * 60)
    assert client.get("/admin/worklist/").status_code == 302
    assert [event.actor_id for event in trail(auditor, "session_expired")] == [coordinator.pk]


def test_the_end_of_a_session_is_told_with_where_it_came_from(coordinator, auditor):
    client = Client()
    sign_in(client, coordinator)
    mark = str(client.session.session_key)[:8]
    _age(client, seen=31 * 60)
    client.get("/admin/worklist/", REMOTE_ADDR="192.0.2.20")
    (ended,) = trail(auditor, "session_expired")
    assert (ended.session, ended.address, ended.application) == (mark, "192.0.2.20", "web")
    assert ended.request


def test_a_session_that_nobody_came_back_to_is_told_too(coordinator, coordinator_b, auditor):
    """Its row was swept out in silence."""
    left = Client()
    sign_in(left, coordinator)
    mark = str(left.session.session_key)[:8]
    _age(left, seen=31 * 60)
    sign_in(Client(), coordinator_b)
    assert not Session.objects.filter(user=coordinator).exists()
    (ended,) = trail(auditor, "session_expired")
    assert (ended.row_key, ended.changes["session"]) == (str(coordinator.pk), mark)
    sign_in(Client(), coordinator_b)
    assert len(trail(auditor, "session_expired")) == 1


def test_even_a_busy_session_ends_after_twelve_hours(coordinator):
    client = Client()
    sign_in(client, coordinator)
    _age(client, since=12 * 3600 + 5)
    assert client.get("/admin/worklist/").status_code == 302


def test_a_person_ends_the_session_left_open_at_another_desk(coordinator, coordinator_b, auditor):
    desk, ward, stranger = Client(), Client(), Client()
    sign_in(desk, coordinator)
    sign_in(ward, coordinator)
    sign_in(stranger, coordinator_b)
    ward_mark, stranger_mark = (str(one.session.session_key)[:8] for one in (ward, stranger))
    desk.post("/admin/account/sessions/end/", {"session": stranger_mark})
    assert stranger.get("/admin/worklist/").status_code == 200, (
        "another person's session is none of one's own"
    )
    desk.post("/admin/account/sessions/end/", {"session": ward_mark})
    assert ward.get("/admin/worklist/").status_code == 302
    assert desk.get("/admin/worklist/").status_code == 200
    assert [event.changes["session"] for event in trail(auditor, "session_end")] == [ward_mark]


def test_a_session_ended_in_the_midst_of_a_request_does_not_come_back(coordinator, monkeypatch):
    """The request of another desk is under way while its session is ended: what it writes of it is not stored."""
    from trialsite.console.pages import worklist

    client = Client(raise_request_exception=False)
    sign_in(client, coordinator)
    _age(client, seen=120)
    show = worklist.Worklist.get

    def ended_meanwhile(self, request):
        Session.objects.filter(user=coordinator).delete()
        return show(self, request)

    monkeypatch.setattr(worklist.Worklist, "get", ended_meanwhile)
    assert client.get("/admin/worklist/").status_code == 400
    assert not Session.objects.filter(user=coordinator).exists()


def test_closing_an_account_ends_what_it_is_doing(coordinator, administrator):
    client, keeper = Client(), Client()
    sign_in(client, coordinator)
    sign_in(keeper, administrator)
    keeper.post(f"/admin/people/{coordinator.pk}/close/", {"reason": "left the hospital"})
    assert client.get("/admin/worklist/").status_code == 302
    keeper.post(f"/admin/people/{administrator.pk}/close/", {"reason": "by mistake"})
    assert User.objects.get(pk=administrator.pk).is_active, "nobody closes the own account"
    keeper.post(f"/admin/people/{coordinator.pk}/reopen/", {"reason": "came back"})
    assert sign_in(Client(), coordinator).status_code == 302


@pytest.mark.parametrize(
    "act", [accounts.close_account, accounts.reopen_account, accounts.remove_second_factor]
)
def test_nothing_is_done_to_an_account_without_a_reason(coordinator, administrator, act):
    with pytest.raises(Invalid) as refused:
        act(actor=administrator, user=coordinator, reason=" ")
    assert list(refused.value.fields) == ["reason"]


def test_a_new_passphrase_ends_the_other_sessions(coordinator):
    desk, ward = Client(), Client()
    sign_in(desk, coordinator)
    sign_in(ward, coordinator)
    new = "seven slow turtles swim"
    form = {"present": PASSWORD, "passphrase": new, "again": new}
    refused = desk.post("/admin/account/passphrase/", {**form, "present": "wrong"})
    assert "present passphrase is not correct" in refused.content.decode()
    assert desk.post("/admin/account/passphrase/", form)["Location"] == "/admin/account/"
    assert desk.get("/admin/worklist/").status_code == 200
    assert ward.get("/admin/worklist/").status_code == 302
    assert sign_in(Client(), coordinator, new).status_code == 302


@pytest.mark.parametrize(
    "weak", ["short one", "passwordpassword", "qwertyuiop123", "woaini1314520520", "123456789012"]
)
def test_weak_passphrases_are_refused_by_name(coordinator, weak):
    from trialsite.core.errors import Invalid

    with pytest.raises(Invalid) as refused:
        accounts.check_passphrase(weak, coordinator)
    assert "passphrase" in refused.value.fields


@pytest.mark.parametrize(
    "good", ["correct horse battery", "安静的苍鹭站在河边看着夕阳西下", "four quiet herons"]
)
def test_long_passphrases_of_plain_words_are_welcome(coordinator, good):
    accounts.check_passphrase(good, coordinator)


def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(person, site_a, loader):
    class Older(Argon2PasswordHasher):
        time_cost = 1
        memory_cost = 8
        parallelism = 1

    user = person("coordinator", site_a, password=Older().encode(PASSWORD, Older().salt()))
    before = user.password
    assert sign_in(Client(), user, PASSWORD).status_code == 302
    with acting(loader):
        user.refresh_from_db()
    assert user.password != before
    assert sign_in(Client(), user, PASSWORD).status_code == 302
