"""Key dates that were recorded wrongly: what follows from them is brought in line, what has happened stays."""

import datetime as dt

import pytest

from eligibility.models import SignedVerdict
from randomization import arms
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.enrollment import corrections, services
from trialsite.enrollment.errors import OutsideRandomizationWindow
from trialsite.participants.models import Consent
from visits import services as visits
from visits.models import Visit

pytestmark = pytest.mark.django_db
TODAY = clock.today("Asia/Shanghai")
SURGERY = TODAY - dt.timedelta(days=3)


@pytest.fixture
def people(site_a, coordinator, investigator):
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


@pytest.fixture
def send(coordinator, client):
    """Asks the coordinator's program: method, participant, path, body."""
    client.force_login(coordinator)

    def send(method, participant, path, **body):
        address = f"/api/v1/participants/{participant.code}/{path}/"
        return client.generic(method, address, _json(body), "application/json")

    return send


def _json(body):
    import json

    return json.dumps(body, default=str)


def after(days):
    return clock.pretend(clock.now() + dt.timedelta(days=days))


def states(reader, participant):
    with acting(reader):
        return dict(Visit.objects.filter(participant=participant).values_list("code", "state"))


def deviations(reader):
    with acting(reader):
        rows = Record.objects.visible_to(reader).filter(form__in=["deviation", "arm_deviation"])
        return [(row.data["dvcat"]["value"], row.data["dvsubject"]["value"]) for row in rows]


# Local treatment ---------------------------------------------------------------------------------------------------


def sbrt(day):
    on = (SURGERY + dt.timedelta(days=day)).isoformat()
    return {"sbrtdat": on, "regimen": "r24_4", "levels": ["T12"], "prescribed_to": "isodose"}


def test_the_start_of_sbrt_gets_its_true_date(people, sealed, coordinator, assessor, client, send):
    for _ in range(12):
        participant = walk("randomized", **people)
        with acting(coordinator):
            if arms.visible_to(coordinator).get(participant=participant).arm == "RFA_PVP_SBRT":
                break
    with after(60):
        assert send("PUT", participant, "treatment", values=sbrt(15), version=1, reason="x").json()[
            "code"
        ] == ("treatment_not_started")
        assert send("POST", participant, "treatment", values=sbrt(15)).status_code == 200
        early = send("PUT", participant, "treatment", values=sbrt(1), version=1, reason="misread")
        assert early.json()["code"] == "visit_out_of_order", "before the randomization"
        stale = send("PUT", participant, "treatment", values=sbrt(16), version=7, reason="misread")
        assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
        assert send("PUT", participant, "treatment", values=sbrt(16), version=1, reason="").status_code == 422
        page = f"/admin/participant/{participant.code}/correct_start_of_treatment/"
        assert page in client.get(f"/admin/participant/{participant.code}/").content.decode()
        assert sbrt(15)["sbrtdat"] in client.get(page).content.decode()
        late = sbrt(25) | {"version": 1, "change_reason": "The letter of the clinic says so."}
        assert client.post(page, late).status_code == 302
    with acting(coordinator):
        visit = Visit.objects.get(participant=participant, code="SBRT")
    with acting(people["investigator"]):
        told = Event.objects.filter(table_name="visits_visit", row_key=str(visit.pk)).latest("pk").reason
    assert (visit.attended_on, visit.in_window) == (SURGERY + dt.timedelta(days=25), False)
    assert told == "The letter of the clinic says so."
    assert ("visit_window", "SBRT") in deviations(coordinator)
    assert deviations(assessor) == []


# Consent -----------------------------------------------------------------------------------------------------------


def test_a_corrected_consent_ends_the_signature_and_tells_what_was_done_too_early(
    people, coordinator, client, send
):
    participant = walk("operated", **people)
    with acting(coordinator):
        given = Consent.objects.get(participant=participant)
    at = given.patient_signed_at

    def put(signed, version, reason="misread", family=None):
        body = {"patient_signed_at": signed.isoformat(), "family_signed_at": (family or signed).isoformat()}
        return send("PUT", participant, "consent", form_version="1.0", version=version, reason=reason, **body)

    tomorrow = put(clock.now() + dt.timedelta(days=1), 1)
    assert (tomorrow.status_code, list(tomorrow.json()["fields"])) == (
        422,
        ["patient_signed_at", "family_signed_at"],
    )
    assert put(at + dt.timedelta(hours=1), 1, reason=" ").status_code == 422
    assert put(at, 1).json()["version"] == 1, "the same again changes nothing"
    with acting(coordinator):
        assert SignedVerdict.objects.standing(participant) is not None
    assert put(at - dt.timedelta(days=1), 1).json()["version"] == 2
    assert put(at, 1).json()["code"] == "consent_moved"
    with acting(coordinator):
        assert SignedVerdict.objects.standing(participant) is None
        told = SignedVerdict.objects.get(participant=participant).signature.fallen_reason
    assert told == "consent 1.0 corrected: misread"
    assert deviations(coordinator) == []

    page = f"/admin/participant/{participant.code}/consent/{given.pk}/correct/"
    assert page in client.get(f"/admin/participant/{participant.code}/").content.decode()
    moment = f"{clock.local(clock.now(), 'Asia/Shanghai') - dt.timedelta(hours=1):%Y-%m-%dT%H:%M}"
    sent = {
        "signed_version": given.form_version,
        "obtained_by": given.obtained_by_id,
        "patient_signed_at": moment,
        "family_signed_at": moment,
        "reason": "The form shows it.",
        "seen": 2,
    }
    assert client.post(page, sent).status_code == 302
    assert {"SCR", "SURG"} <= {subject for category, subject in deviations(coordinator)}
    assert {category for category, _subject in deviations(coordinator)} == {"consent"}


# Death -------------------------------------------------------------------------------------------------------------


def test_a_corrected_day_of_death_gives_back_the_visits_before_it(people, coordinator, client, send):
    participant = walk("operated", **people)

    def day(number):
        return (SURGERY + dt.timedelta(days=number)).isoformat()

    def expected():
        return {code for code, state in states(coordinator, participant).items() if state == "expected"}

    with after(60):
        assert send("POST", participant, "death", values={"dthdat": day(5)}).status_code == 200
        assert expected() == set()
        page = f"/admin/participant/{participant.code}/correct_death/"
        assert page in client.get(f"/admin/participant/{participant.code}/").content.decode()
        assert (
            client.post(page, {"dthdat": day(20), "version": 1, "reason": "certificate"}).status_code == 302
        )
        assert expected() == {"RAND", "W1", "W2"}
        with acting(coordinator):
            seen = Visit.objects.get(participant=participant, code="W2")
        visits.attend(actor=coordinator, visit=seen, on=SURGERY + dt.timedelta(days=14))
        late = send("PUT", participant, "death", values={"dthdat": day(10)}, version=2, reason="misread")
        assert (late.status_code, list(late.json()["fields"])) == (422, ["dthdat"])
        answer = send("PUT", participant, "death", values={"dthdat": day(15)}, version=2, reason="misread")
        assert answer.status_code == 200
        assert expected() == {"RAND", "W1"}
    assert states(coordinator, participant)["W2"] == "attended"


# The randomization that is forgone ------------------------------------------------------------------------------------


def test_the_randomization_is_missed_by_its_step_alone_and_that_can_be_taken_back(
    people, sealed, coordinator, client, send, monkeypatch
):
    participant = walk("operated", **people)
    definition = participant.protocol_version.definition
    monkeypatch.setitem(definition.settings, "follow_not_randomized", False)
    with acting(coordinator):
        planned = Visit.objects.get(participant=participant, code="RAND")
    missed = client.post(
        f"/api/v1/visits/{planned.pk}/miss/", {"reason": "went home"}, content_type="application/json"
    )
    assert (missed.status_code, missed.json()["code"]) == (409, "randomized_by_step")
    corrections.forgo_randomization(actor=coordinator, participant=participant, reason="went home")
    assert states(coordinator, participant) == {
        **dict.fromkeys(("W1", "W2", "W4", "M3", "M6", "M12"), "not_expected"),
        "RAND": "missed",
    }
    page = f"/admin/participant/{participant.code}/resume_randomization/"
    assert page in client.get(f"/admin/participant/{participant.code}/").content.decode()
    with after(11), pytest.raises(OutsideRandomizationWindow):
        corrections.resume_randomization(actor=coordinator, participant=participant, reason="came back")
    for _ in range(2):
        answer = send("POST", participant, "forgo-randomization/revoke", reason="She came back.")
        assert answer.status_code == 200
    assert set(states(coordinator, participant).values()) == {"expected"}
    assert page not in client.get(f"/admin/participant/{participant.code}/").content.decode()
    services.randomize(actor=coordinator, participant=participant, idempotency_key="came-back-1")
    assert states(coordinator, participant)["RAND"] == "attended"
