"""What the path rests on: key facts that say what they must, dated in their order, of the arm that was allocated."""

import datetime as dt

import pytest
from django.test import Client
from django.utils.translation import override

from eligibility.errors import NotEligible, Undecided
from tests.path import PASSWORD, baseline, walk
from trialsite.audit.context import acting
from trialsite.casebook import deviations
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.console import reading
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.demo import casebook
from trialsite.enrollment import corrections, services, steps
from trialsite.enrollment.errors import (
    NotSignedAtSurgery,
    RandomizationForgone,
    RecheckNotByInvestigator,
    RecheckTooOld,
)
from trialsite.participants.errors import TreatmentWithdrawn
from trialsite.participants.models import Participant
from visits.models import Visit

pytestmark = pytest.mark.django_db
TODAY = clock.today("Asia/Shanghai")
SURGERY = TODAY - dt.timedelta(days=3)
UNKNOWN = {"missing": "unknown"}


@pytest.fixture
def people(site_a, coordinator, investigator):
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


# What must be said -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "step", "values", "item"),
    [
        ("consented", services.record_death, {"dthdat": UNKNOWN}, "dthdat"),
        ("consented", services.withdraw, {"wddat": UNKNOWN, "level": "visits"}, "wddat"),
        ("consented", services.withdraw, {"wddat": TODAY.isoformat(), "level": UNKNOWN}, "level"),
        ("eligible", services.operate, {**casebook.surgery(SURGERY), "prdat": UNKNOWN}, "prdat"),
        ("randomized", services.start_treatment, {"sbrtdat": UNKNOWN, "regimen": "r24_4"}, "sbrtdat"),
        (
            "randomized",
            services.start_treatment,
            {"sbrtdat": TODAY.isoformat(), "regimen": UNKNOWN},
            "regimen",
        ),
    ],
)
def test_what_a_step_rests_on_cannot_be_unknown(people, sealed, coordinator, status, step, values, item):
    participant = walk(status, **people)
    with pytest.raises(ValuesRefused) as refused:
        step(actor=coordinator, participant=participant, values=values)
    assert refused.value.fields[item] == [
        "This step rests on it: record it once the answer is known; a reason does not do."
    ]


def test_the_page_of_a_step_offers_no_reason_for_what_must_be_said(people, coordinator, client):
    participant = walk("eligible", **people)
    client.force_login(coordinator)
    page = client.get(f"/admin/participant/{participant.code}/operate/").content.decode()
    assert 'name="prdat"' in page
    assert 'name="prdat__missing"' not in page
    assert 'name="approach__missing"' in page


# What is asked again ---------------------------------------------------------------------------------------------


def test_what_is_asked_again_counts_from_the_surgery_on(people, sealed, coordinator, investigator):
    participant = walk("operated", **people)

    def answer(on, version):
        save_record(
            actor=investigator,
            participant=participant,
            event="RAND",
            form="recheck",
            values=casebook.recheck(on),
            expected_version=version,
            reason="misread",
        )

    answer(SURGERY - dt.timedelta(days=1), 1)
    with pytest.raises(Undecided):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="asked-before-1")
    answer(SURGERY, 2)
    services.randomize(actor=coordinator, participant=participant, idempotency_key="asked-after-1")


def test_whoever_will_not_be_randomized_is_not_offered_it_and_refused(people, sealed, coordinator, client):
    participant = walk("operated", **people)

    def waiting():
        with acting(coordinator):
            return [step.code for one, step in reading.steps_due(coordinator) if one.pk == participant.pk]

    assert waiting() == [steps.RANDOMIZE.code]
    corrections.forgo_randomization(actor=coordinator, participant=participant, reason="went home")
    assert waiting() == []
    with pytest.raises(RandomizationForgone):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="forgone-one")
    client.force_login(coordinator)
    page = client.get(f"/admin/participant/{participant.code}/").content.decode()
    assert f"/admin/participant/{participant.code}/randomize/" not in page


def test_when_the_days_for_it_are_over_the_next_step_is_to_record_that_it_did_not_take_place(
    people, sealed, coordinator
):
    participant = walk("operated", **people)
    with acting(coordinator):
        closes = Visit.objects.get(participant=participant, code="RAND").closes_on

    def offered(day):
        noon = clock.midnight(day, "Asia/Shanghai") + dt.timedelta(hours=12)
        with clock.pretend(noon), acting(coordinator):
            client = Client()
            client.force_login(coordinator)
            waiting = [step.code for one, step in reading.steps_due(coordinator) if one.pk == participant.pk]
            return waiting, client.get(f"/admin/participant/{participant.code}/").content.decode()

    last, after = offered(closes), offered(closes + dt.timedelta(days=1))
    assert (last[0], after[0]) == ([steps.RANDOMIZE.code], [steps.FORGO.code])
    assert "/randomize/" in last[1]
    assert "/randomize/" not in after[1]
    assert after[1].count("/forgo_randomization/") == 1


def test_the_visit_of_the_randomization_is_not_attended_without_an_allocation(people, coordinator, client):
    participant = walk("operated", **people)
    client.force_login(coordinator)
    with acting(coordinator):
        found = {one.code: one for one in Visit.objects.filter(participant=participant)}
    answer = client.post(
        f"/api/v1/visits/{found['RAND'].pk}/attend/",
        {"on": TODAY.isoformat()},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "randomized_by_step")
    tomorrow = (clock.now() + dt.timedelta(days=1)).isoformat()
    booked = client.post(
        f"/api/v1/visits/{found['RAND'].pk}/book/", {"at": tomorrow}, content_type="application/json"
    )
    assert (booked.status_code, booked.json()["code"]) == (409, "randomized_by_step")
    offered = [
        f"/admin/visit/{found[code].pk}/attend/"
        in client.get(f"/admin/visit/{found[code].pk}/").content.decode()
        for code in ("RAND", "W1")
    ]
    assert offered == [False, True]


# As of the true day of surgery ------------------------------------------------------------------------------------


def test_after_the_surgery_one_signs_for_its_day(people, coordinator, investigator):
    participant = walk("operated", **people)

    def sign(on, reason="the laboratory corrected a value"):
        return services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=on, reason=reason
        )

    for day, reason, field in (
        (SURGERY + dt.timedelta(days=1), "x", "surgery_on"),
        (SURGERY, " ", "reason"),
    ):
        with pytest.raises(Invalid) as refused:
            sign(day, reason)
        assert list(refused.value.fields) == [field]
    sign(SURGERY)
    assert categories(coordinator, participant) == [], "what was signed in time stands"
    save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="pain",
        values=casebook.pain(SURGERY - dt.timedelta(days=2), 8),
        expected_version=1,
        reason="read from the wrong line",
    )
    assert sign(SURGERY).surgery_on == SURGERY
    assert sign(SURGERY, "said in other words").surgery_on == SURGERY
    with acting(coordinator):
        noted = Record.objects.get(participant=participant, form="deviation")
    assert noted.data["dvreason"]["value"] == "the laboratory corrected a value"
    with override("zh-hans"):
        assert deviations.told(noted) == f"入选资格于 {TODAY} 签署，晚于 {SURGERY} 的手术。"


def _earlier(coordinator, participant, event, on):
    save_record(
        actor=coordinator,
        participant=participant,
        event=event,
        form="pain",
        values=casebook.pain(on, 7),
        expected_version=1,
        reason="misread",
    )


def test_the_verdict_must_hold_as_of_the_true_day_of_surgery(people, sealed, coordinator, investigator):
    participant = walk("consented", **people)
    early = SURGERY - dt.timedelta(days=4)
    _earlier(coordinator, participant, "SCR", early)
    with clock.pretend(clock.now() - dt.timedelta(days=7)):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=SURGERY
        )
    baseline(coordinator, participant, early + dt.timedelta(days=1))
    services.operate(actor=coordinator, participant=participant, values=casebook.surgery(SURGERY))
    # The signature still stands, but the laboratory values are younger than the true day.
    corrections.correct_surgery(
        actor=coordinator,
        participant=participant,
        values=casebook.surgery(early),
        expected_version=1,
        reason="misread",
    )
    with acting(coordinator):
        participant = Participant.objects.with_protocol().get(pk=participant.pk)
    save_record(
        actor=investigator,
        participant=participant,
        event="RAND",
        form="recheck",
        values=casebook.recheck(TODAY),
    )
    with pytest.raises(Undecided):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="true-day-1")


def categories(reader, participant):
    with acting(reader):
        rows = Record.objects.filter(participant=participant, form="deviation")
        return sorted(row.data["dvcat"]["value"] for row in rows)


def test_a_true_date_that_broke_a_rule_is_recorded_as_deviations(people, sealed, coordinator):
    participant = walk("operated", **people)

    def correct(day, version, **more):
        corrections.correct_surgery(
            actor=coordinator,
            participant=participant,
            values={**casebook.surgery(day), **more},
            expected_version=version,
            reason="the report of the operation says so",
        )

    correct(SURGERY, 1, approach="bipedicular")
    assert categories(coordinator, participant) == [], "no date moved"
    correct(SURGERY - dt.timedelta(days=2), 2)
    assert categories(coordinator, participant) == ["eligibility", "procedure"]
    correct(SURGERY - dt.timedelta(days=30), 3)
    assert categories(coordinator, participant) == ["consent", *["eligibility"] * 3, *["procedure"] * 2]
    with pytest.raises(NotEligible, match="I1"):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="no-way-1")


def test_a_surgery_without_a_standing_signature_is_told_with_its_reason_and_never_randomized(
    people, sealed, coordinator, investigator, client
):
    participant = walk("eligible", **people)
    save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="pain",
        values=casebook.pain(SURGERY - dt.timedelta(days=2), 8),
        expected_version=1,
        reason="read from the wrong line",
    )
    client.force_login(coordinator)
    page = f"/admin/participant/{participant.code}/operate/"
    typed = {
        "prdat": TODAY.isoformat(),
        "levels": ["T12"],
        "levels_treated": "1",
        "ablated": "true",
        "cement": "4.5",
        "leakage": "none",
    }
    refused = client.post(page, typed)
    assert refused.status_code == 422
    assert 'name="reason"' in refused.content.decode()
    assert client.post(page, {**typed, "reason": "It was an emergency."}).status_code == 302
    assert categories(coordinator, participant) == ["eligibility"]
    with clock.pretend(clock.now() + dt.timedelta(days=1)):
        services.sign_eligibility(
            actor=investigator,
            participant=participant,
            password=PASSWORD,
            surgery_on=TODAY,
            reason="It was an emergency.",
        )
        save_record(
            actor=investigator,
            participant=participant,
            event="RAND",
            form="recheck",
            values=casebook.recheck(clock.today("Asia/Shanghai")),
        )
        with pytest.raises(NotSignedAtSurgery):
            services.randomize(actor=coordinator, participant=participant, idempotency_key="no-way-2")


def test_a_signature_given_after_the_surgery_and_before_its_record_makes_up_for_nothing(
    people, sealed, coordinator, investigator
):
    participant = walk("consented", **people)
    services.sign_eligibility(
        actor=investigator, participant=participant, password=PASSWORD, surgery_on=SURGERY
    )
    baseline(coordinator, participant, SURGERY)

    def operate(reason):
        return services.operate(
            actor=coordinator, participant=participant, values=casebook.surgery(SURGERY), reason=reason
        )

    with pytest.raises(NotSignedAtSurgery):
        operate("")
    operate("It was an emergency.")
    assert categories(coordinator, participant) == ["eligibility"]
    with acting(coordinator):
        operated = Participant.objects.with_protocol().get(pk=participant.pk)
    save_record(
        actor=investigator, participant=operated, event="RAND", form="recheck", values=casebook.recheck(TODAY)
    )
    with pytest.raises(NotSignedAtSurgery):
        services.randomize(actor=coordinator, participant=operated, idempotency_key="no-way-3")


def test_the_recheck_is_fresh_and_an_investigators(people, sealed, coordinator, investigator):
    participant = walk("operated", **people)

    def randomize():
        return services.randomize(actor=coordinator, participant=participant, idempotency_key="fresh-1")

    with clock.pretend(clock.now() + dt.timedelta(days=4)), pytest.raises(RecheckTooOld) as old:
        randomize()
    assert str(TODAY) in str(old.value)

    def answer(actor, version):
        return save_record(
            actor=actor,
            participant=participant,
            event="RAND",
            form="recheck",
            values=casebook.recheck(TODAY - dt.timedelta(days=version == 1)),
            expected_version=version,
            reason="misread" if version == 1 else "checked",
        )

    assert answer(coordinator, 1).changed
    for language, named in (("en", "“Before randomization” holds"), ("zh-hans", "“随机前确认”包含")):
        with pytest.raises(RecheckNotByInvestigator) as unjudged:
            randomize()
        with override(language):
            assert named in str(unjudged.value)
    # The same answers, checked: nothing has to be made wrong first so that an investigator can save it.
    assert answer(investigator, 2).changed
    assert not answer(investigator, 2).changed, "sent again"
    assert not answer(coordinator, 2).changed, "nobody takes it back by saving the same"
    assert randomize().position == 1


def test_whoever_withdrew_from_treatment_is_neither_signed_nor_operated_nor_offered_it(
    people, coordinator, investigator
):
    participant = walk("consented", **people)
    eligible = walk("eligible", **people)
    for one in (participant, eligible):
        values = {"wddat": TODAY.isoformat(), "level": "treatment"}
        services.withdraw(actor=coordinator, participant=one, values=values)
    with pytest.raises(TreatmentWithdrawn):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=TODAY
        )
    with pytest.raises(TreatmentWithdrawn):
        services.operate(actor=coordinator, participant=eligible, values=casebook.surgery(TODAY), reason="x")
    with acting(coordinator):
        assert reading.steps_due(coordinator) == []


def test_what_nobody_will_ever_know_keeps_neither_surgery_nor_death_from_the_record(people, coordinator):
    participant = walk("eligible", **people)
    values = {**casebook.surgery(SURGERY), "cement": UNKNOWN}
    assert services.operate(actor=coordinator, participant=participant, values=values)
    month = f"{TODAY:%Y-%m}"
    dead = services.record_death(actor=coordinator, participant=participant, values={"dthdat": month})
    with acting(coordinator):
        record = Record.objects.get(participant=participant, form="death")
        left = Visit.objects.filter(participant=participant, closes_on__gte=TODAY).open().exists()
        asked = {query.check_id for query in record.queries.open()}
    assert (dead.status, record.data["dthdat"]["value"], left, asked) == (
        "dead",
        month,
        False,
        {"cause_open"},
    )
