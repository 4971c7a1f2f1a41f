"""A verdict that falls after it was signed, and a breach that is found after surgery."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from eligibility.errors import NotSigned
from eligibility.models import SignedVerdict
from tests.participants.amendment import activate_at, amended, form_at
from tests.participants.test_consents import consent
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import limits
from trialsite.casebook.errors import LimitTaken, ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.demo import casebook
from trialsite.enrollment import breaches, services
from trialsite.enrollment.errors import NoBreach
from trialsite.participants.models import Participant

pytestmark = pytest.mark.django_db


def change(coordinator, participant, **items):
    return save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="labs",
        values=items,
        expected_version=1,
        reason="the laboratory corrected it",
        partial=True,
    )


@pytest.fixture
def operated(site_a, coordinator, investigator):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


def test_a_breach_found_after_surgery_becomes_a_deviation_and_opens_no_way_round(
    operated, sealed, coordinator
):
    with pytest.raises(NoBreach):
        breaches.record(actor=coordinator, participant=operated, criterion="I7a-4", why="none")
    saved = change(coordinator, operated, plt="49")
    assert saved.fallen == 1, "the signature fell with its input"
    first = breaches.record(actor=coordinator, participant=operated, criterion="I7a-4", why="corrected late")
    again = breaches.record(actor=coordinator, participant=operated, criterion="I7a-4", why="said twice")
    assert again.pk == first.pk
    assert (first.data["dvcat"]["value"], first.data["dvsubject"]["value"]) == ("eligibility", "I7a-4")
    with pytest.raises(NotSigned):
        services.randomize(actor=coordinator, participant=operated, idempotency_key="no-way-round")
    with pytest.raises(NoBreach):
        breaches.record(actor=coordinator, participant=operated, criterion="I7a-1", why="this one held")


def answer_again(coordinator, participant, **items):
    """Change what was asked again before the randomization."""
    with acting(coordinator):
        record = Record.objects.get(participant=participant, form="recheck")
    return save_record(
        actor=coordinator,
        participant=participant,
        event="RAND",
        form="recheck",
        values=items,
        expected_version=record.version,
        reason="the file says otherwise",
        partial=True,
    )


def of(coordinator, participant):
    """{criterion: the day on which the participant was let in though it was not satisfied}"""
    with acting(coordinator):
        fresh = Participant.objects.with_protocol().get(pk=participant.pk)
        return {name: one.on for name, one in breaches.breached(fresh).items()}


def test_who_was_rightly_not_randomized_breaches_nothing_and_who_was_breached_it_then(
    operated, sealed, site_a, coordinator, investigator
):
    answer_again(coordinator, operated, infection=True)
    assert of(coordinator, operated) == {}
    randomized = walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
    answer_again(coordinator, randomized, fit=False)
    today = clock.today(site_a.timezone)
    assert of(coordinator, randomized) == {"R4": today}
    noted = breaches.record(actor=coordinator, participant=randomized, criterion="R4", why="told later")
    assert noted.observed_on == today


def test_what_turned_unknown_after_surgery_is_recorded_too(operated, coordinator):
    surgery_on = clock.today(operated.site.timezone) - dt.timedelta(days=3)
    change(coordinator, operated, plt={"missing": "unknown"})
    assert of(coordinator, operated) == {"I7a-4": surgery_on}
    assert breaches.record(actor=coordinator, participant=operated, criterion="I7a-4", why="mixed up")


def test_a_breach_is_told_by_the_version_under_which_eligibility_was_signed(
    sealed, site_a, coordinator, investigator
):
    """Who was let in by one version breaks no limit of the next."""

    def stricter(document):
        rule = next(one for one in document["criteria"] if one["id"] == "I7a-1")
        rule["rule"] = "labs.wbc >= 9"

    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    version = amended(stricter)
    form_at(activate_at(version, site_a), site_a, version)
    consent(coordinator, participant, "1.1")
    assert of(coordinator, participant) == {}
    change(coordinator, participant, wbc={"value": "2.9"}, anc={"value": "1.6"})
    assert list(of(coordinator, participant)) == ["I7a-1"]


def test_rest_lists_the_breaches_and_judges_what_is_asked_again(operated, coordinator):
    client = Client()
    client.force_login(coordinator)
    at = f"/api/v1/participants/{operated.code}"
    assert client.get(f"{at}/breaches/").json() == []
    assert client.get(f"{at}/eligibility/").json()["recheck"]["eligible"] is True
    change(coordinator, operated, plt="49")
    answer_again(coordinator, operated, new_deficit=True)
    (found,) = client.get(f"{at}/breaches/").json()
    assert (found["criterion"], found["finding"]["state"], found["recorded"]) == ("I7a-4", "not_met", False)
    again = client.get(f"{at}/eligibility/").json()["recheck"]
    assert [one["id"] for one in again["findings"] if not one["satisfied"]] == ["R3"]
    breaches.record(actor=coordinator, participant=operated, criterion="I7a-4", why="corrected late")
    assert client.get(f"{at}/breaches/").json()[0]["recorded"] is True


def limit(coordinator, site, definition, value, start, **more):
    given = {"form": "labs", "item": "ast", "unit": "U/L", "source": "report"} | more
    return limits.enter(
        actor=coordinator, site=site, definition=definition, value=value, valid_from=start, **given
    )


def test_a_form_takes_the_hospitals_limit_of_the_day_of_the_sample(
    site_a, coordinator, investigator, definition
):
    person = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    with acting(coordinator):
        record = Record.objects.get(participant=person, form="labs")
    seen = record.observed_on
    assert seen is not None
    year = dt.timedelta(days=365)
    limit(coordinator, site_a, definition, "35", seen - year)
    limit(coordinator, site_a, definition, "45", seen + dt.timedelta(days=1))
    wrong = limit(coordinator, site_a, definition, "39", seen, sex="female")
    men = limit(coordinator, site_a, definition, "0.7", seen, sex="male", unit="µkat/L")
    assert limit(coordinator, site_a, definition, "0.7", seen, sex="male", unit="µkat/L").pk == men.pk
    with pytest.raises(LimitTaken):
        limit(coordinator, site_a, definition, "38", seen, sex="female")
    with acting(coordinator):
        sex = Record.objects.get(participant=person, form="demographics").data["sex"]["value"]
    saved = change(coordinator, person, ast={"value": "30", "unit": "U/L"})
    assert saved.record.data["ast"] | {"uln_from": "register", "uln_si": "42"} == saved.record.data["ast"]
    assert sex == "male"
    limits.withdraw(actor=coordinator, limit=wrong, reason="read from the old report")
    limits.withdraw(actor=coordinator, limit=men, reason="read from the old report")
    with acting(coordinator):
        form = definition.form("labs")
    assert limits.valid(site_id=site_a.pk, form=form, on=seen, sex="male")["ast"].si == 35
    assert limits.valid(site_id=site_a.pk, form=form, on=seen + year, sex="male")["ast"].si == 45


def test_without_a_limit_a_complete_form_is_refused_and_a_draft_stays_unknown(
    site_a, coordinator, investigator
):
    person = walk("registered", site=site_a, coordinator=coordinator, investigator=investigator)
    at = clock.now() - dt.timedelta(days=1)
    consent(coordinator, person, patient_signed_at=at, family_signed_at=at)
    values = casebook.screening(clock.today("Asia/Shanghai"))["labs"] | {"ast": {"value": "30"}}
    given: dict[str, Any] = {"event": "SCR", "form": "labs", "values": values}
    with pytest.raises(ValuesRefused) as refused:
        save_record(actor=coordinator, participant=person, **given)
    assert set(refused.value.fields) == {"ast"}
    draft = save_record(actor=coordinator, participant=person, complete=False, **given)
    assert "uln" not in draft.record.data["ast"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"value": "-1"}, "value"),
        ({"value": "NaN"}, "value"),
        ({"unit": "g/L"}, "unit"),
        ({"item": "wbc"}, "item"),
        ({"form": "nothing"}, "form"),
        ({"sex": "both"}, "sex"),
        ({"source": " "}, "source"),
        ({"valid_until": dt.date(2025, 1, 1)}, "valid_until"),
    ],
)
def test_a_wrong_limit_is_refused_by_field(site_a, coordinator, definition, changes, field):
    given = {"value": "40", **changes}
    with pytest.raises(Invalid) as refused:
        limit(coordinator, site_a, definition, given.pop("value"), dt.date(2026, 1, 1), **given)
    assert set(refused.value.fields) == {field}


def in_sql(actor: Any, sentence: str, *values: Any) -> None:
    with acting(actor, reason="by hand"), connection.cursor() as cursor:
        cursor.execute(sentence, values)


@pytest.mark.parametrize("event", ["SCR", "BL"])
def test_what_comes_to_the_screening_past_the_service_lets_the_signature_fall(
    site_a, coordinator, investigator, event
):
    """Of another visit it does not: the verdict rests on the screening alone."""
    participant = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    in_sql(
        coordinator,
        "INSERT INTO casebook_record (created_at, event, form, repeat, data, state, version, reveals_arm, updated_at,"
        " participant_id, site_id, protocol_version_id, updated_by_id) SELECT created_at, %s, 'sins', 1, data, state,"
        " version, reveals_arm, updated_at, participant_id, site_id, protocol_version_id, updated_by_id"
        " FROM casebook_record WHERE participant_id = %s AND form = 'pain' AND event = 'SCR'",
        event,
        participant.pk,
    )
    assert reasons(investigator, participant) == (["new: SCR/sins: by hand"] if event == "SCR" else [""])


def test_a_day_that_is_moved_past_the_service_lets_the_signature_fall(site_a, coordinator, investigator):
    participant = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    move = "UPDATE participants_participant SET planned_surgery_on = planned_surgery_on + 1 WHERE id = %s"
    in_sql(coordinator, move, participant.pk)
    with acting(coordinator):
        moved = Participant.objects.get(pk=participant.pk).planned_surgery_on
    assert reasons(investigator, participant) == [f"surgery planned for {moved}: by hand"]


def test_a_consent_corrected_past_the_service_lets_the_signature_fall(site_a, coordinator, investigator):
    participant = walk("eligible", site=site_a, coordinator=coordinator, investigator=investigator)
    earlier = "UPDATE participants_consent SET patient_signed_at = patient_signed_at - interval '1 hour'"
    in_sql(coordinator, f"{earlier} WHERE participant_id = %s", participant.pk)
    assert reasons(investigator, participant) == ["consent 1.0 corrected: by hand"]


def reasons(actor: Any, participant: Any) -> list[str]:
    """Why each signature on the participant's eligibility fell; empty for one that stands."""
    with acting(actor):
        return [one.signature.fallen_reason for one in SignedVerdict.objects.filter(participant=participant)]
