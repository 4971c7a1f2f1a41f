"""Who a participant is: entered or said to be not available, recognised at one and at two hospitals, corrected."""

import datetime as dt
import json
from typing import Any

import pytest
from django.test import Client

from tests.conftest import PASSWORD
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core import clock
from trialsite.enrollment import services
from trialsite.outbox.models import Message
from trialsite.participants import rules
from trialsite.participants import services as participants
from trialsite.participants.alerts import resolve
from trialsite.participants.errors import IdentityDiffers, IdentityKnown, IdentityMissing
from trialsite.participants.models import Identity, Participant, SamePerson

WHO: dict[str, Any] = {"name": "王静", "birth_date": "1961-04-12", "last_digits": "000X"}
# The district and the date of birth of an invented number.
BEFORE = "31010119610412"


def identify(actor: Any, participant: Any, **changes: Any) -> list[Any]:
    asked = {**WHO, **changes}
    asked["birth_date"] = dt.date.fromisoformat(asked["birth_date"])
    return participants.record_identity(actor=actor, participant=participant, **asked)


def known(reader: Any, participant: Any) -> tuple[bool, str]:
    with acting(reader):
        found = Identity.objects.get(participant=participant)
    return bool(found.digests), found.unavailable


# The card ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("11010519491231002X", None),
        ("１１０１０５１９４９１２３１００２ｘ", None),
        ("110105 19491231 002x", None),
        ("440524188001010014", "birth"),
        ("110105194912310021", "check"),
        ("11010519491230002X", "birth"),
        ("1101051949123100", "shape"),
        ("002X", None),
        ("００２Ｘ", None),
        ("X2", "shape"),
        ("", "shape"),
    ],
)
def test_the_number_of_a_card_is_read_in_any_width_and_held_to_its_check_digit(number, fault):
    folded = rules.card_number(number)
    assert rules.card_fault(folded, dt.date(1949, 12, 31)) == fault


def test_one_mistyped_digit_is_always_noticed():
    number = "11010519491231002x"
    for place in (*range(6), *range(14, 17)):
        for digit in set("0123456789") - {number[place]}:
            changed = number[:place] + digit + number[place + 1 :]
            assert rules.card_fault(changed, dt.date(1949, 12, 31)) == "check"


@pytest.mark.parametrize(
    "same",
    [
        {"name": " 王　静 ", "last_digits": "000x"},
        {"last_digits": "０００Ｘ"},
        {"last_digits": f"{BEFORE}000X"},
        {"last_digits": "310101 19610412 000x"},
    ],
)
def test_the_same_person_is_recognised_however_it_is_written(participant, coordinator, site_a, same):
    identify(coordinator, participant)
    assert identify(coordinator, at(site_a, coordinator), **same) == [participant]


def test_dots_in_a_transcribed_name_do_not_tell_persons_apart(participant, coordinator, site_a):
    identify(coordinator, participant, name="买买提·艾力")
    assert identify(coordinator, at(site_a, coordinator), name="买买提•艾力") == [participant]


# Before signing ------------------------------------------------------------------------------------------------


def sign(investigator: Any, participant: Any) -> Any:
    day = clock.today("Asia/Shanghai") - dt.timedelta(days=3)
    return services.sign_eligibility(
        actor=investigator, participant=participant, password=PASSWORD, surgery_on=day
    )


def test_eligibility_is_signed_only_once_it_is_said_who_that_is_or_why_nobody_can_say(
    site_a, coordinator, investigator, monkeypatch
):
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    with monkeypatch.context() as patch:
        patch.setattr(participants, "identity_not_available", lambda **_: None)
        unknown, later = (walk("consented", **team) for _ in range(2))
    with pytest.raises(IdentityMissing):
        sign(investigator, unknown)
    identify(coordinator, unknown)
    assert sign(investigator, unknown)
    page = Client()
    page.force_login(coordinator)
    asked = "needed before eligibility is signed"
    assert asked in page.get(f"/admin/participant/{later.code}/").content.decode()
    participants.identity_not_available(actor=coordinator, participant=later, reason="No card.")
    assert sign(investigator, later)
    assert asked not in page.get(f"/admin/participant/{later.code}/").content.decode()


def test_what_was_not_available_is_entered_later_and_never_the_other_way_round(participant, coordinator):
    participants.identity_not_available(actor=coordinator, participant=participant, reason="No card.")
    assert known(coordinator, participant) == (False, "No card.")
    identify(coordinator, participant)
    assert known(coordinator, participant) == (True, "")
    with pytest.raises(IdentityKnown):
        participants.identity_not_available(actor=coordinator, participant=participant, reason="Lost.")


# While registering ---------------------------------------------------------------------------------------------


def test_a_person_of_this_hospital_is_not_registered_again_and_nothing_is_stored(
    participant, coordinator, client
):
    identify(coordinator, participant)
    client.force_login(coordinator)
    body = {"site": "SHGH", "identity": WHO}
    address, key = "/api/v1/participants/register/", {"idempotency-key": "registered-1"}

    def register(changed):
        return client.post(
            address, json.dumps({**body, "identity": changed}), "application/json", headers=key
        )

    refused = register(WHO)
    assert (refused.status_code, refused.json()["code"]) == (409, "known_here")
    assert participant.code in refused.json()["title"]
    wrong = register({**WHO, "last_digits": "12"})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["identity.last_digits"])
    with acting(coordinator):
        assert Participant.objects.count() == 1
    other = register({**WHO, "name": "李明"})
    assert other.status_code == 201
    assert register({**WHO, "name": "李明"}).json() == other.json()
    state = client.get(f"/api/v1/participants/{other.json()['code']}/identity/").json()
    assert state == {"entered": True, "unavailable": ""}


def test_the_page_of_registration_takes_who_it_is_whole_or_not_at_all(
    participant, coordinator, client, site_a
):
    client.force_login(coordinator)

    def post(key, **who):
        return client.post("/admin/register/", {"site": site_a.pk, "key": key, **who})

    assert post("by-page-01").status_code == 302
    half = post("by-page-02", name="王静")
    assert half.status_code == 422 and half.content.decode().count("belong together") == 2
    whole = post("by-page-03", **WHO)
    assert whole.status_code == 302
    again = post("by-page-04", **WHO)
    assert again.status_code == 422 and "01-003" in again.content.decode()


def test_whoever_is_screened_anew_is_the_same_person_without_being_asked(
    committed, participant, coordinator, coordinator_b, site_b, trial_manager
):
    identify(coordinator, participant)
    services.fail_screening(actor=coordinator, participant=participant, reason="declined")
    again = services.rescreen(actor=coordinator, participant=participant, registration_key="again-0001")
    assert known(coordinator, again) == (True, "")
    assert identify(coordinator, again) == [participant]
    identify(coordinator_b, at(site_b, coordinator_b))
    with acting(trial_manager):
        assert SamePerson.objects.count() == 2, "the other hospital's person, once for each attempt"


# A typing error ------------------------------------------------------------------------------------------------


def test_a_typing_error_is_corrected_with_its_reason_and_the_pair_it_made_is_shown_as_such(
    committed, participant, coordinator, coordinator_b, site_b, trial_manager, person
):
    identify(coordinator, participant)
    other = at(site_b, coordinator_b)
    identify(coordinator_b, other)
    with acting(trial_manager):
        assert SamePerson.objects.get().stands
    with pytest.raises(IdentityDiffers):
        identify(coordinator_b, other, last_digits="0021")
    identify(coordinator_b, other, last_digits="0021", reason="Read from the wrong card.")
    with acting(trial_manager):
        assert not SamePerson.objects.get().stands
    page = Client()
    page.force_login(trial_manager)
    assert "corrected since" in page.get("/admin/same-person/").content.decode()
    assert page.get("/api/v1/same-persons/").json()[0]["stands"] is False
    with acting(person("auditor")):
        event = Event.objects.filter(table_name="participants_identity", action="update").get()
    assert event.reason == "Read from the wrong card." and "0021" not in str(event.changes)


def test_a_correction_finds_the_same_person_at_another_hospital_as_an_entry_does(
    committed, participant, coordinator, coordinator_b, site_b, trial_manager
):
    identify(coordinator, participant)
    other = at(site_b, coordinator_b)
    identify(coordinator_b, other, name="王晶")
    with acting(trial_manager):
        assert not SamePerson.objects.exists()
    identify(coordinator_b, other, reason="Mistyped.")
    with acting(trial_manager):
        assert SamePerson.objects.get().second_id == other.pk
        assert Message.objects.filter(kind="same_person").count() == 1


def test_the_page_of_identity_asks_what_fits(participant, coordinator, client):
    client.force_login(coordinator)
    address = f"/admin/participant/{participant.code}/identity/"

    def fields():
        page = client.get(address).content.decode()
        return [name for name in ("reason", "unavailable") if f'name="{name}"' in page]

    assert fields() == ["unavailable"]
    for wrong in ({}, {"unavailable": "No card.", **WHO}):
        assert client.post(address, wrong).status_code == 422
    assert client.post(address, {"unavailable": "No card."}).status_code == 302
    assert "No card." in client.get(address).content.decode()
    assert client.post(address, WHO).status_code == 302
    assert fields() == ["reason"]
    assert client.post(address, {**WHO, "name": "李明"}).status_code == 422
    assert client.post(address, {**WHO, "name": "李明", "reason": "Mistyped."}).status_code == 302


# One person at two hospitals -----------------------------------------------------------------------------------


def at(site: Any, actor: Any) -> Any:
    return services.register(actor=actor, site=site, registration_key=f"same-{site.code}-01")


def test_the_same_person_at_the_same_hospital_is_told_to_the_hospital(participant, coordinator, site_a):
    assert identify(coordinator, participant) == []
    again = at(site_a, coordinator)
    assert identify(coordinator, again, name=" 王　静 ", last_digits="000x") == [participant]
    assert identify(coordinator, at_third(site_a, coordinator)) == [participant, again]


def at_third(site: Any, actor: Any) -> Any:
    return services.register(actor=actor, site=site, registration_key="same-third-01")


def test_the_same_person_at_another_hospital_is_told_to_the_trial_manager_alone(
    committed, participant, coordinator, coordinator_b, site_a, site_b, trial_manager, person, raw, loader
):
    pi = person("pi", site_b)
    monitor = person("monitor")
    identify(coordinator, participant)
    other = at(site_b, coordinator_b)
    assert identify(coordinator_b, other) == []
    with acting(trial_manager):
        pair = SamePerson.objects.get()
        message = Message.objects.get(kind="same_person")
    assert (pair.first_id, pair.second_id) == (participant.pk, other.pk)
    assert message.recipient == f"user:{trial_manager.pk}"
    for actor in (coordinator, coordinator_b, pi, monitor):
        assert raw("SELECT 1 FROM participants_sameperson", actor=actor) == []
        assert raw("SELECT 1 FROM outbox_message WHERE kind = 'same_person'", actor=actor) == []
    assert raw("SELECT 1 FROM audit_event WHERE changes::text LIKE '%%same_person%%'", actor=pi) == []
    with acting(loader):
        sent: Any = resolve(message, message.due_at)
    assert "01-" not in sent.body + sent.subject and "王" not in sent.body + sent.subject
    client = Client()
    client.force_login(trial_manager)
    assert participant.code in client.get("/admin/same-person/").content.decode()
    assert client.get("/api/v1/same-persons/").json()[0]["second"] == other.code


def test_what_was_entered_is_kept_nowhere_and_another_person_is_refused(
    committed, participant, coordinator, raw
):
    identify(coordinator, participant)
    identify(coordinator, participant)
    with pytest.raises(IdentityDiffers):
        identify(coordinator, participant, last_digits="0021")
    stored = raw("SELECT row_to_json(i)::text FROM participants_identity i", actor=coordinator)[0][0]
    assert "王" not in stored and "1961" not in stored and "000x" not in json.loads(stored)["digests"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("name", value) for value in ("", " ", "x" * 121, "\x00", None)],
        *[("birth_date", value) for value in ("1961-02-30", "yesterday", 7, None)],
        *[("last_digits", value) for value in ("12", "12345", "12 4", "１２３", "四二三一", None)],
        # Eighteen signs: one digit mistyped; another date of birth; seventeen of them.
        *[("last_digits", f"{BEFORE}{end}") for end in ("0003", "0010", "000")],
        ("last_digits", "31010119610413000X"),
    ],
)
def test_a_bad_identity_is_refused_by_name(participant, coordinator, field, value):
    client = Client()
    client.force_login(coordinator)
    answer = client.put(
        f"/api/v1/participants/{participant.code}/identity/",
        json.dumps({**WHO, field: value}),
        "application/json",
    )
    assert answer.status_code == 422 and list(answer.json()["fields"]) == [field]
