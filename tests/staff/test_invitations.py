"""From an administrator's invitation to the first sign-in, and everything that ends a link."""

import datetime as dt
import re

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client

from tests.staff.test_signin import sign_in
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.outbox import services as outbox
from trialsite.outbox.models import Message
from trialsite.staff.models import Membership, User, system_actor

PASSPHRASE = "seven slow turtles swim"
FORM = {"passphrase": PASSPHRASE, "again": PASSPHRASE}


@pytest.fixture
def keeper(committed, site_a, person, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    client = Client()
    client.force_login(person("administrator"))
    return client


def invite(keeper, **changes):
    form = {
        "full_name": "Wang Li",
        "username": "wang.li",
        "email": "wang.li@hospital.example",
        "phone": "",
        "language": "en",
        "role": "coordinator",
        "site": "",
    }
    return keeper.post("/admin/people/invite/", {**form, **changes})


def link():
    """What the worker sends, and the path of the link in the newest mail."""
    outbox.send_due(actor=system_actor("system.outbox"))
    (path,) = re.findall(r"https?://[^/]+(/invitation/\S+)", str(mail.outbox[-1].body))
    return path


def test_a_person_is_invited_sets_the_own_passphrase_and_signs_in(keeper, site_a, person):
    answer = invite(keeper, site=site_a.pk)
    user = User.objects.get(username="wang.li")
    assert answer["Location"] == f"/admin/people/{user.pk}/"
    assert not user.has_usable_password()
    assert Membership.objects.get(user=user).site == site_a
    path = link()
    assert mail.outbox[-1].to == ["wang.li@hospital.example"]
    browser = Client()
    page = browser.get(path)
    assert "Wang Li" in page.content.decode()
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("same-origin", "no-store")
    assert browser.post(path, FORM)["Location"] == "/sign-in/"
    assert sign_in(browser, "wang.li", PASSPHRASE)["Location"] == "/admin/"
    with acting(person("auditor")):
        noted = Event.objects.get(action="passphrase_set")
        assert (noted.actor_id, noted.changes) == (user.pk, {"by": "invitation"})
        message = Message.objects.get(kind="invitation")
    assert path.split("/")[-2] not in str(message.payload), "the secret of the link is stored nowhere"


def test_a_wrong_address_is_corrected_until_the_person_has_set_a_passphrase(keeper):
    invite(keeper, email="wang.lee@hospital.example")
    user, first = User.objects.get(username="wang.li"), link()
    page = f"/admin/people/{user.pk}/"
    assert 'name="email"' in keeper.get(page).content.decode()
    keeper.post(f"{page}link/", {"email": "no address"})
    assert User.objects.get(pk=user.pk).email == "wang.lee@hospital.example"
    keeper.post(f"{page}link/", {"email": "wang.li@hospital.example"})
    second = link()
    assert mail.outbox[-1].to == ["wang.li@hospital.example"]
    assert Client().get(first).status_code == 409
    assert Client().post(second, FORM).status_code == 302
    keeper.post(f"{page}link/", {"email": "somebody.else@hospital.example"})
    assert User.objects.get(pk=user.pk).email == "wang.li@hospital.example", (
        "nobody takes an account over by mail"
    )
    assert 'name="email"' not in keeper.get(page).content.decode()


def test_a_link_opens_once_and_a_newer_one_ends_it(keeper):
    invite(keeper)
    user = User.objects.get(username="wang.li")
    first = link()
    keeper.post(f"/admin/people/{user.pk}/link/")
    second = link()
    assert Client().get(first).status_code == 409
    assert Client().post(second, FORM).status_code == 302
    assert Client().post(second, FORM).status_code == 409


def test_a_link_ends_with_the_account_with_time_and_with_a_changed_letter(keeper, settings):
    invite(keeper)
    user = User.objects.get(username="wang.li")
    path = link()
    assert Client().get(path[:-2] + ("a" if path[-2] != "a" else "b") + "/").status_code == 409
    assert Client().get("/invitation/zzzzzzzzzzzzzzzzzzzz/x/").status_code == 409
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert Client().get(path).status_code == 409
    settings.PASSWORD_RESET_TIMEOUT = 60
    assert Client().get(path).status_code == 200
    keeper.post(f"/admin/people/{user.pk}/close/", {"reason": "invited by mistake"})
    assert Client().get(path).status_code == 409


def test_a_weak_passphrase_and_two_different_ones_are_refused_beside_the_field(keeper):
    invite(keeper)
    path = link()
    short = Client().post(path, {"passphrase": "short", "again": "short"})
    assert (short.status_code, "at least 12" in short.content.decode()) == (422, True)
    differ = Client().post(path, {**FORM, "again": "another one here"})
    assert (differ.status_code, "differ" in differ.content.decode()) == (422, True)
    assert Client().post(path, FORM).status_code == 302


def test_a_reset_ends_the_sessions_and_keeps_the_second_factor(keeper, coordinator):
    browser = Client()
    sign_in(browser, coordinator)
    keeper.post(f"/admin/people/{coordinator.pk}/link/")
    assert browser.get("/admin/worklist/").status_code == 200, "nothing ends before the link is used"
    Client().post(link(), FORM)
    assert browser.get("/admin/worklist/").status_code == 302
    assert sign_in(Client(), coordinator, PASSPHRASE).status_code == 302


@pytest.mark.parametrize(
    "change",
    [
        {"username": "Wang Li"},
        {"username": "a"},
        {"username": "wang li"},
        {"email": "no"},
        {"full_name": ""},
    ],
)
def test_an_invitation_that_cannot_be_is_refused_and_nothing_is_stored(keeper, change):
    invite(keeper, **change)
    assert not User.objects.filter(full_name__in=("Wang Li", "")).exists()


def test_a_user_name_is_never_given_again_and_an_account_never_deleted(keeper, coordinator, loader):
    keeper.post(f"/admin/people/{coordinator.pk}/close/", {"reason": "left"})
    again = invite(keeper, username=coordinator.username.lower())
    assert "once belonged" in again.content.decode()
    users = User.objects.filter(pk=coordinator.pk)
    with acting(loader):
        for change in (
            lambda: users.update(username="somebody.else"),
            lambda: users._raw_delete(using="default"),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()


def test_only_an_administrator_invites(keeper, coordinator):
    client = Client()
    client.force_login(coordinator)
    assert invite(client).status_code == 403


def test_a_program_gets_an_account_that_works_by_a_token_and_never_signs_in(keeper, site_a):
    form = {"full_name": "Laboratory system", "username": "lab.sh", "site": site_a.pk}
    refused = keeper.post("/admin/people/program/", {**form, "username": "Lab SH"})
    assert refused.status_code == 422
    assert keeper.post("/admin/people/program/", form).status_code == 302
    assert keeper.post("/admin/people/program/", form).status_code == 422
    program = User.objects.get(username="lab.sh")
    assert (program.kind, program.has_usable_password()) == ("machine", False)
    shown = keeper.post(
        "/admin/account/tokens/new/",
        {"account": program.pk, "name": "nightly", "days": "30", "scopes": ["participant.view"]},
    )
    secret = re.search(r">([0-9a-f]{64})<", shown.content.decode())
    assert secret, shown.content.decode()
    listed = Client().get("/api/v1/participants/", headers={"authorization": f"Token {secret[1]}"})
    assert listed.status_code == 200
    assert sign_in(Client(), "lab.sh", "").status_code == 200, "the door stays shut"


def test_the_first_administrator_is_invited_on_the_terminal_and_only_the_first(committed, capsys):
    from django.core.management import CommandError, call_command

    asked = ("invite_first", "first.admin", "--name", "First Admin", "--email", "first@hospital.example")
    call_command(*asked)
    lost = "/invitation/" + capsys.readouterr().out.split("/invitation/")[1].strip()
    call_command(*asked)
    assert Client().get(lost).status_code == 409, "a newer link ends it"
    path = "/invitation/" + capsys.readouterr().out.split("/invitation/")[1].strip()
    assert Client().post(path, FORM)["Location"] == "/sign-in/"
    browser = Client()
    assert sign_in(browser, "first.admin", PASSPHRASE)["Location"] == "/admin/"
    assert browser.get("/admin/people/invite/").status_code == 200
    shown = browser.get("/admin/system/").content.decode()
    assert "in order (database" in shown
    times = [dt.datetime.fromisoformat(told) for told in re.findall(r"<td>(20[^<]+\+00:00)</td>", shown)]
    assert len(times) == 2, "both in UTC, as it says"
    with pytest.raises(CommandError, match="accounts already"):
        call_command("invite_first", "second.admin", "--name", "S", "--email", "s@hospital.example")
