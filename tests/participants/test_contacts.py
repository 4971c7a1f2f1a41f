"""Contact details: encrypted under a key per participant, found by blind index, gone when erased."""

import json
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.participants.conftest import WANG
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.participants import services, vault
from trialsite.participants.errors import ContactErased
from trialsite.participants.models import Contact

WHOLE = "SELECT row_to_json(c)::text FROM participants_contact c"


def _stored(raw, actor):
    return raw(WHOLE, actor=actor)[0][0]


def test_the_database_and_the_trail_hold_no_word_of_it(
    committed, participant, reach, raw, coordinator, person
):
    reach(participant)
    trail = json.dumps(
        raw("SELECT jsonb_agg(to_jsonb(e)) FROM audit_event e", actor=person("auditor"))[0][0],
        ensure_ascii=False,
        default=str,
    )
    for text in ("王静", "0013-8000", "13800138000", "Wang", "mail.example"):
        assert text not in _stored(raw, coordinator)
        assert text not in trail
    assert "changed" in trail


def test_it_comes_back_as_it_was_entered(participant, reach, coordinator):
    reach(participant, channel="sms")
    with acting(coordinator):
        contact = Contact.objects.get(participant=participant)
    assert (contact.name, contact.phone, contact.email) == (WANG["name"], WANG["phone"], WANG["email"])
    assert (contact.channel, contact.wants_messages) == ("sms", True)


def test_without_consent_to_be_contacted_or_after_opting_out_no_messages_are_wanted(participant, reach):
    assert not reach(participant, contact_consent=False).wants_messages
    assert not reach(participant, opted_out=True).wants_messages


def test_each_participant_has_a_key_of_its_own(
    participant, participant_in, reach, site_a, coordinator, investigator
):
    other = participant_in("registered", site=site_a, coordinator=coordinator, investigator=investigator)
    one, two = reach(participant), reach(other)
    assert one.wrapped_key != two.wrapped_key
    with pytest.raises(InvalidToken):
        vault.unseal(two.wrapped_key, one.sealed)


@pytest.mark.parametrize(
    ("by", "text"),
    [
        ("phone", "13800138000"),
        ("phone", "0086 138 0013 8000"),
        ("phone", "１３８００１３８０００"),
        ("phone", "086-138-0013-8000"),
        ("email", " wang.jing@MAIL.example"),
        ("name", "王 静"),
    ],
)
def test_a_caller_is_found_however_number_and_name_are_written(participant, reach, coordinator, by, text):
    reach(participant)
    assert services.find_by_contact(actor=coordinator, by=by, text=text) == [participant]


def test_part_of_a_number_finds_nobody_and_a_search_for_nothing_is_refused(participant, reach, coordinator):
    reach(participant, email="")
    assert services.find_by_contact(actor=coordinator, by="phone", text="1380013800") == []
    asked: Any
    for asked in (("phone", "–"), ("email", "  "), ("surname", "王")):
        by, text = asked
        with pytest.raises(Invalid):
            services.find_by_contact(actor=coordinator, by=by, text=text)


def test_another_hospital_finds_nobody_and_those_without_the_right_may_not_look(
    participant, reach, coordinator_b, trial_manager, raw
):
    reach(participant)
    assert services.find_by_contact(actor=coordinator_b, by="name", text="王静") == []
    with pytest.raises(Forbidden):
        services.find_by_contact(actor=trial_manager, by="name", text="王静")


def test_bare_sql_of_another_hospital_or_of_the_trial_manager_sees_no_row(
    committed, participant, reach, raw, coordinator_b, trial_manager
):
    reach(participant)
    assert raw(WHOLE, actor=coordinator_b) == raw(WHOLE, actor=trial_manager) == []


def test_a_search_is_recorded_without_what_was_looked_for(
    participant, reach, coordinator, trial_manager, person
):
    reach(participant)
    services.find_by_contact(actor=coordinator, by="phone", text="13800138000")
    with acting(person("auditor")):
        notes = list(Event.objects.filter(action="search").order_by("id"))
    assert [note.participant_id for note in notes] == [None, participant.pk]
    assert all(note.changes == {"by": "phone"} and note.actor_id == coordinator.pk for note in notes)


def test_erasure_destroys_the_key_so_that_a_copy_of_the_row_says_nothing(
    committed, participant, reach, pi, raw, settings
):
    reach(participant)
    copy = json.loads(_stored(raw, pi))
    assert "王静" in str(vault.unseal(copy["wrapped_key"], copy["sealed"]))
    services.erase_contact(actor=pi, participant=participant, reason="The participant asked for it.")
    left = json.loads(_stored(raw, pi))
    assert [left[name] for name in ("sealed", "wrapped_key", "name_index", "phone_index", "email_index")] == [
        ""
    ] * 5
    # An older copy still holds its wrapped key: it dies with the ring's key, which is then taken away.
    settings.DATA_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(vault.KeyLost):
        vault.unseal(copy["wrapped_key"], copy["sealed"])


def test_erasure_stands_for_good_with_its_reason_in_the_trail(participant, reach, pi, coordinator, person):
    reach(participant)
    erased = services.erase_contact(actor=pi, participant=participant, reason="Asked on the phone.")
    assert (
        services.erase_contact(actor=pi, participant=participant, reason="Again.").erased_at
        == erased.erased_at
    )
    assert not erased.wants_messages
    with pytest.raises(ContactErased):
        reach(participant)
    assert services.find_by_contact(actor=coordinator, by="name", text="王静") == []
    with acting(person("auditor")):
        last = Event.objects.filter(table_name="participants_contact", action="update").latest("id")
    assert (last.reason, last.changes["sealed"]) == ("Asked on the phone.", "changed")


def test_who_never_left_an_address_can_be_erased_beforehand(participant, pi, reach):
    services.erase_contact(actor=pi, participant=participant, reason="Wants none kept.")
    with pytest.raises(ContactErased):
        reach(participant)


def test_only_the_principal_investigator_of_the_hospital_erases_and_says_why(
    participant, pi, coordinator, person, site_b
):
    with pytest.raises(Forbidden):
        services.erase_contact(actor=coordinator, participant=participant, reason="x")
    with pytest.raises(NotFound):
        services.erase_contact(actor=person("pi", site_b), participant=participant, reason="x")
    with pytest.raises(Invalid):
        services.erase_contact(actor=pi, participant=participant, reason=" ")


def test_bare_sql_cannot_bring_erased_details_back_or_delete_any(committed, participant, reach, pi, raw):
    reach(participant)
    with pytest.raises(psycopg.errors.RestrictViolation):
        raw("DELETE FROM participants_contact", actor=pi)
    services.erase_contact(actor=pi, participant=participant, reason="Asked.")
    for change in ("opted_out = false", "wrapped_key = 'x'", "erased_at = NULL"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            raw(f"UPDATE participants_contact SET {change}", actor=pi)


def test_after_rotation_the_old_key_is_not_needed_any_more(
    committed, participant, reach, settings, coordinator, pi
):
    reach(participant)
    services.erase_contact(actor=pi, participant=_register(participant, coordinator), reason="Asked.")
    old_data, old_index = settings.DATA_KEYS[0], settings.INDEX_KEYS[0]
    settings.DATA_KEYS = [Fernet.generate_key().decode(), old_data]
    settings.INDEX_KEYS = [Fernet.generate_key().decode(), old_index]
    assert services.find_by_contact(actor=coordinator, by="name", text="王静") == [participant]
    call_command("rewrap_keys", verbosity=0)
    settings.DATA_KEYS, settings.INDEX_KEYS = settings.DATA_KEYS[:1], settings.INDEX_KEYS[:1]
    assert services.find_by_contact(actor=coordinator, by="name", text="王静") == [participant]
    with acting(coordinator):
        assert Contact.objects.get(participant=participant).phone == WANG["phone"]
        assert not Contact.objects.behind().exists()


def test_a_rotation_that_was_broken_off_goes_on(
    committed, participant, reach, settings, coordinator, loader, monkeypatch
):
    monkeypatch.setattr("trialsite.participants.services.contacts._BATCH", 1)
    people = [participant, *(_register(participant, coordinator) for _ in range(2))]
    for one in people:
        reach(one)
    settings.DATA_KEYS = [Fernet.generate_key().decode(), *settings.DATA_KEYS]
    steps = services.rewrap_keys(actor=loader)
    assert next(steps) == 1
    del steps
    with acting(coordinator):
        assert Contact.objects.behind().count() == 2
        assert {one.name for one in Contact.objects.all()} == {"王静"}
    assert list(services.rewrap_keys(actor=loader)) == [1, 2]
    settings.DATA_KEYS = settings.DATA_KEYS[:1]
    with acting(coordinator):
        assert {one.name for one in Contact.objects.all()} == {"王静"}


def test_a_key_that_was_taken_away_too_early_is_named_as_missing(committed, participant, reach, settings):
    reach(participant)
    settings.DATA_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="put the key that is missing back"):
        call_command("rewrap_keys", verbosity=0)


def test_people_do_not_rotate_keys(participant, trial_manager):
    with pytest.raises(Forbidden):
        next(services.rewrap_keys(actor=trial_manager))


def test_a_look_up_asks_the_same_few_questions_however_many_are_there(
    participant, reach, coordinator, django_assert_num_queries
):
    reach(participant)
    services.find_by_contact(actor=coordinator, by="name", text="nobody")
    with django_assert_num_queries(7):
        services.find_by_contact(actor=coordinator, by="name", text="nobody")


BAD: dict[str, list[Any]] = {
    "name": ["a" * 121, "x\x00y", "a\nb", 7, None],
    "phone": ["1" * 41, "call me", "\x00", ["1"]],
    "email": ["no address", "a@b", {"a": 1}, "\x00@b.example"],
    "language": ["de", "", 1],
    "channel": ["pigeon", "", None],
    "contact_consent": ["perhaps", None],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_bad_input_names_the_field_and_stores_nothing(participant, coordinator, field, value):
    client = Client()
    client.force_login(coordinator)
    body = {**WANG, "contact_consent": True, "channel": "email", field: value}
    if (field, value) == ("name", 7):
        body["name"] = {"first": 7}
    answer = client.put(
        f"/api/v1/participants/{participant.code}/contact/", json.dumps(body), "application/json"
    )
    assert answer.status_code == 422 and list(answer.json()["fields"]) == [field], answer.content
    with acting(coordinator):
        assert not Contact.objects.exists()


def test_a_caller_is_found_on_the_page_and_the_address_holds_nothing_of_it(participant, reach, coordinator):
    reach(participant)
    client = Client()
    client.force_login(coordinator)
    answer = client.post("/admin/search/", {"by": "phone", "text": "138 0013 8000"})
    assert participant.code in answer.content.decode()
    assert "138" not in answer.request["PATH_INFO"] + answer.request["QUERY_STRING"]
    assert (
        client.get("/admin/search/?by=phone&text=13800138000").content.decode().count(participant.code) == 0
    )


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text):
    for purpose in ("name", "phone", "email", "person"):
        once = vault.normal(purpose, text)
        assert vault.normal(purpose, once) == once


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_equal_texts_alone_have_equal_digests_and_no_purpose_serves_another(one, two):
    same = vault.normal("name", one) == vault.normal("name", two)
    assert (vault.digests("name", one) == vault.digests("name", two)) == same
    if vault.digest("name", one):
        assert vault.digest("name", one) != vault.digest("person", one)


def _register(participant, coordinator):
    from trialsite.enrollment.services import register

    with acting(coordinator):
        number = type(participant).objects.count()
    return register(actor=coordinator, site=participant.site, registration_key=f"more-{number:04d}")
