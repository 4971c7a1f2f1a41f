"""The path of a participant through the services, and everything that is refused on it."""

import datetime as dt

import pytest

from eligibility.errors import NotEligible, Undecided
from eligibility.models import SignedVerdict
from randomization import arms
from tests.path import PASSWORD, screen, walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import NotYetConsented, RecordedAfterKeyFact
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.demo import casebook
from trialsite.enrollment import services
from trialsite.enrollment.errors import (
    BeforeConsent,
    MilestoneMissing,
    NotSignedAtSurgery,
    OutsideRandomizationWindow,
    RecheckMissing,
    StepRefused,
    VisitsOpen,
)
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant
from trialsite.sites.errors import SiteNotActive
from trialsite.sites.services import set_state
from trialsite.staff.errors import WrongPassword
from visits import services as visits
from visits.models import Visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(site_a, coordinator, investigator):
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


def _today(site):
    return clock.today(site.timezone)


def test_from_registration_to_the_visits_of_the_arm(
    people, sealed, coordinator, statistician, trial_manager, assessor, coordinator_b
):
    participant = walk("randomized", **people)
    with acting(coordinator):
        allocation = arms.visible_to(coordinator).get(participant=participant)
        codes = list(Visit.objects.filter(participant=participant).values_list("code", flat=True))
        told = list(Message.objects.filter(kind="allocation").values_list("recipient", flat=True))
    assert participant.status == "randomized"
    assert allocation.position == 1
    common = ["RAND", "W1", "W2", "W4", "M3", "M6", "M12"]
    assert sorted(codes) == sorted(common + (["SBRT"] if allocation.arm == "RFA_PVP_SBRT" else []))
    # Those who may have to attest the ledger later must have its heads in a mailbox of theirs.
    assert {f"user:{one.pk}" for one in (coordinator, statistician, trial_manager)} <= set(told)
    assert not {f"user:{one.pk}" for one in (assessor, coordinator_b)} & set(told)


def test_registering_twice_with_one_key_gives_one_participant(site_a, coordinator):
    first = services.register(actor=coordinator, site=site_a, registration_key="double-click")
    again = services.register(actor=coordinator, site=site_a, registration_key="double-click")
    assert (first.pk, first.code) == (again.pk, "01-001")
    assert services.register(actor=coordinator, site=site_a, registration_key="another-one").code == "01-002"


def test_registration_at_a_hospital_that_is_not_yours_or_not_open(site_a, site_b, coordinator, trial_manager):
    with pytest.raises(NotFound):
        services.register(actor=coordinator, site=site_b, registration_key="elsewhere")
    set_state(actor=trial_manager, site=site_a, state="paused", reason="audit")
    site_a.refresh_from_db()
    with pytest.raises(SiteNotActive):
        services.register(actor=coordinator, site=site_a, registration_key="paused-one")


def test_nothing_is_recorded_before_consent(people, coordinator):
    participant = walk("registered", **people)
    with pytest.raises(NotYetConsented):
        screen(coordinator, participant, _today(people["site"]))


def test_an_ineligible_participant_is_not_signed_and_not_operated(people, coordinator, investigator):
    participant = walk("consented", **people, pain={"worst": 3, "average": 2})
    found = services.verdict(participant=participant, surgery_on=_today(people["site"]))
    with acting(coordinator):
        found = services.verdict(participant=participant, surgery_on=_today(people["site"]))
    assert found.failing() == ["I5"]
    with pytest.raises(NotEligible, match="I5"):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=_today(people["site"])
        )
    with pytest.raises(StepRefused):
        services.operate(
            actor=coordinator, participant=participant, values=casebook.surgery(_today(people["site"]))
        )


def test_laboratory_values_older_than_fourteen_days_are_unknown(people, investigator, coordinator):
    participant = walk("consented", **people)
    surgery_on = _today(people["site"]) + dt.timedelta(days=20)
    with pytest.raises(Undecided, match="I7a-1"):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=surgery_on
        )


def test_validity_counts_from_the_planned_surgery_and_never_from_today(
    people, coordinator, investigator, client
):
    """Screened two days before the day planned. The day moves away and back; the pages say what they count from."""
    participant = walk("consented", **people)
    day = _today(people["site"]) - dt.timedelta(days=3)
    client.force_login(coordinator)
    at = f"/api/v1/participants/{participant.code}/"

    def seen():
        found = client.get(f"{at}eligibility/").json()
        return found["as_of"], found["eligible"]

    def plan(on, **why):
        body = {"surgery_on": on.isoformat(), **why}
        return client.put(f"{at}planned-surgery/", body, "application/json").status_code

    with acting(coordinator):
        Participant.objects.filter(pk=participant.pk).update(planned_surgery_on=None)
    assert seen() == (None, None)
    page = client.get(f"/admin/participant/{participant.code}/").content.decode()
    assert "no day is planned for it yet" in page
    assert "all criteria are satisfied" not in page
    live = client.get(f"/admin/participant/{participant.code}/form/SCR/labs/").content.decode()
    assert "counts from the surgery, for which no day is planned yet" in live
    findings = client.get(f"/api/v1/participants/{participant.code}/eligibility/").json()["findings"]
    whys = {why for one in findings for why in one["missing"].values()}
    assert "no_surgery_day" in whys and "stale" not in whys
    assert plan(day) == 200
    assert seen() == (day.isoformat(), True)
    assert plan(day - dt.timedelta(days=99)) == 422, "before the consent"

    # The investigator sees what the signature is over, as of the day that is typed, before signing.
    client.force_login(investigator)
    sign = f"/admin/participant/{participant.code}/sign_eligibility/"
    page = client.get(sign).content.decode()
    assert f'value="{day}"' in page
    assert "all criteria are satisfied" in page
    assert "Screening · Laboratory" in page
    late = day + dt.timedelta(days=20)
    typed = client.get(
        sign, {"surgery_on": late.isoformat()}, headers={"HX-Request": "true"}
    ).content.decode()
    assert "too old" in typed
    assert "<html" not in typed
    assert (
        "no day is planned"
        in client.get(sign, {"surgery_on": "x"}, headers={"HX-Request": "true"}).content.decode()
    )
    assert client.post(sign, {"surgery_on": day.isoformat(), "password": PASSWORD}).status_code == 302
    # The plan moves: the same day changes nothing, another one lets the signature fall.
    assert plan(day) == 200
    with acting(investigator):
        assert SignedVerdict.objects.standing(participant) is not None
    assert plan(late) == 422, "a day that was given moves for a reason only"
    assert plan(late, reason="no theatre on that day") == 200
    with acting(investigator):
        assert SignedVerdict.objects.standing(participant) is None
    assert seen() == (late.isoformat(), None)


def test_only_an_investigator_of_the_hospital_signs_with_the_own_password(
    people, coordinator, investigator, person, site_b
):
    participant = walk("consented", **people)
    day = _today(people["site"]) - dt.timedelta(days=3)
    with pytest.raises(Forbidden):
        services.sign_eligibility(
            actor=coordinator, participant=participant, password=PASSWORD, surgery_on=day
        )
    with pytest.raises(WrongPassword):
        services.sign_eligibility(
            actor=investigator, participant=participant, password="guess", surgery_on=day
        )
    with pytest.raises(NotFound):
        services.sign_eligibility(
            actor=person("investigator", site_b), participant=participant, password=PASSWORD, surgery_on=day
        )


def test_the_signature_falls_when_an_input_changes_and_stops_the_surgery(people, coordinator, investigator):
    participant = walk("eligible", **people)
    day = _today(people["site"]) - dt.timedelta(days=5)
    save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="pain",
        values=casebook.pain(day, 8),
        expected_version=1,
        reason="read from the wrong line",
    )
    with pytest.raises(NotSignedAtSurgery):
        services.operate(
            actor=coordinator, participant=participant, values=casebook.surgery(_today(people["site"]))
        )
    with pytest.raises(Invalid) as unexplained:
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=_today(people["site"])
        )
    assert list(unexplained.value.fields) == ["reason"], "the day that was planned moves for a reason only"
    services.sign_eligibility(
        actor=investigator,
        participant=participant,
        password=PASSWORD,
        surgery_on=_today(people["site"]),
        reason="no theatre before",
    )
    services.operate(
        actor=coordinator, participant=participant, values=casebook.surgery(_today(people["site"]))
    )


def test_surgery_is_recorded_once_and_not_before_consent(people, coordinator):
    participant = walk("eligible", **people)
    early = _today(people["site"]) - dt.timedelta(days=30)
    with pytest.raises(BeforeConsent):
        services.operate(actor=coordinator, participant=participant, values=casebook.surgery(early))
    day = _today(people["site"]) - dt.timedelta(days=1)
    first = services.operate(actor=coordinator, participant=participant, values=casebook.surgery(day))
    again = services.operate(actor=coordinator, participant=participant, values=casebook.surgery(day))
    assert [visit.pk for visit in first] == [visit.pk for visit in again]


@pytest.mark.parametrize("status", ["registered", "consented", "eligible"])
def test_nobody_is_randomized_before_surgery(people, sealed, coordinator, status):
    participant = walk(status, **people)
    with pytest.raises(StepRefused):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="too-early-1")


def test_randomizing_needs_the_recheck_and_the_right_days(people, sealed, coordinator, investigator):
    participant = walk("eligible", **people)
    services.operate(
        actor=coordinator, participant=participant, values=casebook.surgery(_today(people["site"]))
    )
    with pytest.raises(OutsideRandomizationWindow):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="same-day-1")
    with clock.pretend(clock.now() + dt.timedelta(days=1)), pytest.raises(RecheckMissing):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="no-recheck")


def test_a_participant_with_an_infection_after_surgery_is_not_randomized(people, sealed, coordinator):
    participant = walk("operated", **people)
    values = {**casebook.recheck(_today(people["site"])), "infection": True}
    save_record(
        actor=coordinator,
        participant=participant,
        event="RAND",
        form="recheck",
        values=values,
        expected_version=1,
        reason="wound infection found",
    )
    with pytest.raises(NotEligible, match="R2"):
        services.randomize(actor=coordinator, participant=participant, idempotency_key="infected-1")


def test_the_same_participant_gets_the_same_answer_by_whatever_key(people, sealed, coordinator):
    participant = walk("operated", **people)
    first = services.randomize(actor=coordinator, participant=participant, idempotency_key="key-number-one")
    again = services.randomize(actor=coordinator, participant=participant, idempotency_key="key-number-one")
    assert (first.arm, first.position, first.replayed) == (again.arm, again.position, False)
    assert again.replayed
    other = services.randomize(actor=coordinator, participant=participant, idempotency_key="key-number-two")
    assert other == again
    with acting(coordinator):
        assert arms.visible_to(coordinator).count() == 1


def test_an_assessor_sees_neither_arm_nor_the_visit_that_reveals_it(people, sealed, assessor, coordinator):
    for _ in range(4):
        walk("randomized", **people)
    with acting(coordinator):
        assert Visit.objects.visible_to(coordinator).filter(reveals_arm=True).exists()
        assert arms.visible_to(coordinator).count() == 4
    with acting(assessor):
        assert not Visit.objects.filter(reveals_arm=True).exists()
        assert not arms.visible_to(assessor).exists()
        assert Visit.objects.visible_to(assessor).exists()


def test_a_participant_completes_when_every_visit_is_settled(people, sealed, coordinator):
    participant = walk("randomized", **people)
    with pytest.raises(VisitsOpen) as refused:
        services.complete(actor=coordinator, participant=participant)
    assert "M12" in str(refused.value)
    with clock.pretend(clock.now() + dt.timedelta(days=400)):
        with acting(coordinator):
            left = list(Visit.objects.open().filter(participant=participant))
        for visit in left:
            visits.attend(actor=coordinator, visit=visit, on=visit.target_on)
        for _ in range(2):
            assert services.complete(actor=coordinator, participant=participant).status == "completed"


def test_after_death_later_visits_are_not_expected(people, sealed, coordinator):
    participant = walk("randomized", **people)
    services.record_death(
        actor=coordinator, participant=participant, values={"dthdat": _today(people["site"]).isoformat()}
    )
    with acting(coordinator):
        states = dict(Visit.objects.filter(participant=participant).values_list("code", "state"))
        assert Participant.objects.get(pk=participant.pk).status == "dead"
    assert states.pop("RAND") == "attended"
    assert set(states.values()) == {"not_expected"}


def test_no_surgery_is_recorded_before_its_baseline_and_no_baseline_after_its_surgery(
    people, coordinator, investigator
):
    day = _today(people["site"]) - dt.timedelta(days=3)
    participant = walk("consented", **people)
    with clock.pretend(clock.now() - dt.timedelta(days=3)):
        services.sign_eligibility(
            actor=investigator, participant=participant, password=PASSWORD, surgery_on=day
        )

    def operate():
        return services.operate(actor=coordinator, participant=participant, values=casebook.surgery(day))

    def enter(on, *, form="pain", **more):
        levels = dict.fromkeys(("mobility", "self_care", "activities", "discomfort", "anxiety", "vas"), 1)
        values = casebook.pain(on, 7) if form == "pain" else {"eqdat": on.isoformat(), **levels}
        return save_record(
            actor=coordinator, participant=participant, event="BL", form=form, values=values, **more
        )

    with pytest.raises(MilestoneMissing) as refused:
        operate()
    assert "BL (Baseline)" in str(refused.value)
    late = enter(day + dt.timedelta(days=1))
    with pytest.raises(MilestoneMissing):
        operate()
    enter(day, expected_version=late.record.version, reason="misread")
    draft = enter(day + dt.timedelta(days=1), form="eq5d", complete=False).record
    assert operate()
    with pytest.raises(RecordedAfterKeyFact):
        enter(day + dt.timedelta(days=1), form="eq5d", expected_version=draft.version, reason="complete")
    with pytest.raises(RecordedAfterKeyFact) as late_refused:
        enter(day + dt.timedelta(days=1), expected_version=late.record.version + 1, reason="misread again")
    assert list(late_refused.value.fields) == ["paindat"]
