"""The end of local treatment: what was given is what is on record, and visits that wait for it get their dates."""

import datetime as dt

import pytest

from randomization import arms
from tests.participants.amendment import activate_at, amended
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.enrollment import corrections, schedule, services, treatment
from trialsite.enrollment.errors import StepRefused, TreatmentNotStarted, VisitsOpen
from trialsite.participants.models import Participant
from visits import services as visits
from visits.errors import TooEarly
from visits.models import Visit

pytestmark = pytest.mark.django_db
TODAY = clock.today("Asia/Shanghai")
SURGERY = TODAY - dt.timedelta(days=3)
FIRST = SURGERY + dt.timedelta(days=15)
PLAN = {"levels": ["T12"], "prescribed_to": "isodose"}


def late(document):
    """One more visit, thirty days after the end of local treatment."""
    visit = {"code": "LATE", "name": {"en": "Late", "zh": "后期"}, "kind": "milestone", "forms": ["pain"]}
    dated = {"anchor": "end_of_local_treatment", "day": 30, "after": 5, "reveals_arm": True}
    document["visits"].append({**visit, **dated})


@pytest.fixture
def people(site_a, coordinator, investigator, sealed):
    activate_at(amended(late), site_a)
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


@pytest.fixture
def in_arm(people, coordinator):
    def find(arm):
        for _ in range(12):
            participant = walk("randomized", **people)
            with acting(coordinator):
                if arms.visible_to(coordinator).get(participant=participant).arm == arm:
                    return participant
        pytest.fail("twelve in a row in one arm")

    return find


@pytest.fixture
def late_visit(coordinator):
    def read(participant):
        with acting(coordinator):
            return Visit.objects.filter(participant=participant, code="LATE").first()

    return read


def afterwards(days=60):
    return clock.pretend(clock.now() + dt.timedelta(days=days))


def start(coordinator, participant, regimen="r24_4"):
    services.start_treatment(
        actor=coordinator,
        participant=participant,
        values={"sbrtdat": FIRST.isoformat(), "regimen": regimen, **PLAN},
    )


def give(coordinator, participant, *days):
    for number, day in enumerate(days, start=1):
        values = {
            "ecdat": (FIRST + dt.timedelta(days=day)).isoformat(),
            "number": number,
            "dose": "6",
            "toxicity": 0,
            "interrupted": False,
        }
        save_record(
            actor=coordinator,
            participant=participant,
            event="SBRT",
            form="fraction",
            repeat=number,
            values=values,
        )


def end(coordinator, participant, day, *, completed=True, **more):
    values = {"endat": (FIRST + dt.timedelta(days=day)).isoformat(), "completed": completed}
    if "why" in more:
        values["reason"] = more.pop("why")
    if "expected_version" in more:
        return treatment.correct_end(actor=coordinator, participant=participant, values=values, **more)
    return treatment.end(actor=coordinator, participant=participant, values=values, **more)


def noted(reader):
    with acting(reader):
        rows = Record.objects.visible_to(reader).filter(form__in=["deviation", "arm_deviation"])
        return [(row.data["dvcat"]["value"], row.data["dvreason"]["value"]) for row in rows]


def test_the_last_of_the_planned_fractions_dates_what_waits_for_it(in_arm, coordinator, late_visit, assessor):
    participant = in_arm("RFA_PVP_SBRT")
    assert late_visit(participant) is None
    with afterwards():
        with pytest.raises(TreatmentNotStarted):
            end(coordinator, participant, 6)
        start(coordinator, participant)
        with pytest.raises(Invalid) as refused:
            end(coordinator, participant, 6)
        assert list(refused.value.fields) == ["endat"]
        give(coordinator, participant, 0, 2, 4)
        with pytest.raises(Invalid) as refused:
            end(coordinator, participant, 4)
        assert refused.value.fields == {"completed": ["3 of 4 planned fractions are on record."]}
        give(coordinator, participant, 0, 2, 4, 6)
        with pytest.raises(Invalid) as refused:
            end(coordinator, participant, 7)
        assert list(refused.value.fields) == ["endat"]
        assert [visit.code for visit in end(coordinator, participant, 6)] == ["LATE"]
        assert end(coordinator, participant, 6)[0].target_on == FIRST + dt.timedelta(days=36)
    assert late_visit(participant).target_on == FIRST + dt.timedelta(days=36)
    assert noted(coordinator) == []


@pytest.mark.parametrize(("last", "deviates"), [(14, False), (15, True)])
def test_fractions_over_more_than_fourteen_days_are_a_deviation_with_its_reason(
    in_arm, coordinator, assessor, last, deviates
):
    participant = in_arm("RFA_PVP_SBRT")
    with afterwards():
        start(coordinator, participant)
        give(coordinator, participant, 0, 3, 6, last)
        if deviates:
            with pytest.raises(Invalid) as refused:
                end(coordinator, participant, last)
            assert refused.value.fields["reason"][1:] == [
                "The last fraction was given 15 days after the first; the protocol gives 14."
            ]
        end(coordinator, participant, last, **({"why": "The machine was down."} if deviates else {}))
    assert noted(coordinator) == ([("treatment", "The machine was down.")] if deviates else [])
    assert noted(assessor) == [], "it would tell the arm"


def test_treatment_that_ends_early_is_a_deviation_and_a_wrong_date_is_corrected(
    in_arm, coordinator, late_visit
):
    participant = in_arm("RFA_PVP_SBRT")
    with afterwards():
        start(coordinator, participant)
        give(coordinator, participant, 0, 2)
        with pytest.raises(Invalid):
            end(coordinator, participant, 2, completed=False)
        end(coordinator, participant, 2, completed=False, why="The participant was too ill.")
        save_record(
            actor=coordinator,
            participant=participant,
            event="SBRT",
            form="fraction",
            repeat=2,
            values={"ecdat": (FIRST + dt.timedelta(days=3)).isoformat()},
            partial=True,
            expected_version=1,
            reason="misread",
        )
        (moved,) = end(
            coordinator,
            participant,
            3,
            completed=False,
            why="The participant was too ill.",
            expected_version=1,
            reason="misread",
        )
    assert (moved.code, moved.target_on, moved.plan_version) == ("LATE", FIRST + dt.timedelta(days=33), 2)
    assert ("treatment", "The participant was too ill.") in noted(coordinator)


def test_the_fractions_begin_with_the_start_and_none_is_on_record_twice(in_arm, coordinator):
    participant = in_arm("RFA_PVP_SBRT")

    def recount(repeat, day, number, version):
        values = {"ecdat": (FIRST + dt.timedelta(days=day)).isoformat(), "number": number}
        return save_record(
            actor=coordinator,
            participant=participant,
            event="SBRT",
            form="fraction",
            repeat=repeat,
            values=values,
            partial=True,
            expected_version=version,
            reason="misread",
        )

    with afterwards():
        start(coordinator, participant)
        give(coordinator, participant, 1, 2, 4, 6)
        with pytest.raises(Invalid) as refused:
            end(coordinator, participant, 6)
        assert "The first fraction on record is of" in refused.value.fields["endat"][0]
        recount(1, 0, 2, 1)
        with pytest.raises(Invalid) as refused:
            end(coordinator, participant, 6)
        assert refused.value.fields == {"endat": ["Fraction 2 is on record more than once."]}
        recount(1, 0, 1, 2)
        end(coordinator, participant, 6)
        # A later change is questioned.
        asked = recount(4, 8, 4, 1).queries
    assert [(one.check_id, one.item) for one in asked] == [("after_the_end", "ecdat")]


def test_fractions_in_the_other_arm_are_a_deviation_that_assessors_do_not_see(
    in_arm, coordinator, assessor, late_visit, client
):
    participant = in_arm("RFA_PVP")
    early = {
        "sbrtdat": (TODAY - dt.timedelta(days=1)).isoformat(),
        "regimen": "r24_4",
        **PLAN,
        "reason": "mixed up",
    }
    with pytest.raises(TooEarly):
        services.start_treatment(actor=coordinator, participant=participant, values=early)
    with afterwards():
        with pytest.raises(Invalid) as refused:
            start(coordinator, participant)
        assert list(refused.value.fields) == ["reason"]
        values = {"sbrtdat": FIRST.isoformat(), "regimen": "r24_4", **PLAN, "reason": "mixed up"}
        for _ in range(2):
            services.start_treatment(actor=coordinator, participant=participant, values=values)
        assert noted(coordinator) == [("treatment", "mixed up")]
        assert noted(assessor) == []
        sentence = f"SBRT began on {FIRST} in the arm that does not have it."
        for reader, sees in ((coordinator, True), (assessor, False)):
            client.force_login(reader)
            page = client.get(f"/admin/participant/{participant.code}/").content.decode()
            assert (sentence in page) == sees
        give(coordinator, participant, 0, 2, 4, 6)
        end(coordinator, participant, 6)
    assert late_visit(participant).target_on == FIRST + dt.timedelta(days=36)


def test_without_fractions_of_its_own_an_arm_ends_local_treatment_with_the_surgery(
    in_arm, coordinator, late_visit
):
    assert late_visit(in_arm("RFA_PVP")).target_on == SURGERY + dt.timedelta(days=30)


def test_whoever_was_operated_and_not_randomized_is_followed_and_completes(people, coordinator, late_visit):
    participant = walk("operated", **people)
    with pytest.raises(VisitsOpen):
        services.complete(actor=coordinator, participant=participant)
    with pytest.raises(StepRefused):
        end(coordinator, participant, 1)
    corrections.forgo_randomization(actor=coordinator, participant=participant, reason="went home")
    assert late_visit(participant).target_on == SURGERY + dt.timedelta(days=30)
    with afterwards(500):
        with acting(coordinator):
            planned = list(Visit.objects.open().filter(participant=participant).order_by("target_on"))
        for visit in planned:
            visits.attend(actor=coordinator, visit=visit, on=visit.target_on)
        ended = services.complete(actor=coordinator, participant=participant)
    assert ended.status == "completed"
    with acting(coordinator):
        assert Participant.objects.get(pk=participant.pk).status == "completed"


@pytest.mark.parametrize("arm", ["RFA_PVP", "RFA_PVP_SBRT"])
def test_what_was_dated_from_the_surgery_waits_again_once_the_randomization_is_taken_back(
    people, coordinator, late_visit, arm
):
    for _ in range(12):
        participant = walk("operated", **people)
        for forgo in (
            corrections.forgo_randomization,
            corrections.resume_randomization,
            corrections.forgo_randomization,
            corrections.resume_randomization,
        ):
            forgo(actor=coordinator, participant=participant, reason="went home, or came back")
            forgone = forgo is corrections.forgo_randomization
            assert late_visit(participant).state == ("expected" if forgone else "not_expected")
        key = f"back-{participant.code}"
        made = services.randomize(actor=coordinator, participant=participant, idempotency_key=key)
        if made.arm == arm:
            break
    found = late_visit(participant)
    if arm == "RFA_PVP":
        assert (found.state, found.target_on) == ("expected", SURGERY + dt.timedelta(days=30))
        return
    assert found.state == "not_expected"
    with afterwards():
        start(coordinator, participant)
        assert schedule.undated(coordinator, participant) == ["LATE"]
        give(coordinator, participant, 0, 2, 4, 6)
        end(coordinator, participant, 6)
    found = late_visit(participant)
    assert (found.state, found.target_on) == ("expected", FIRST + dt.timedelta(days=36))


def test_nobody_completes_while_a_visit_waits_for_the_end_of_treatment(in_arm, coordinator, late_visit):
    begun, never = in_arm("RFA_PVP_SBRT"), in_arm("RFA_PVP_SBRT")
    with afterwards():
        start(coordinator, begun)
        give(coordinator, begun, 0, 2, 4, 6)
    with afterwards(500):
        for participant in (begun, never):
            with acting(coordinator):
                planned = list(Visit.objects.open().filter(participant=participant).order_by("target_on"))
            for visit in planned:
                visits.miss(actor=coordinator, visit=visit, reason="moved away")
        with pytest.raises(VisitsOpen, match="LATE"):
            services.complete(actor=coordinator, participant=begun)
        end(coordinator, begun, 6)
        visits.miss(actor=coordinator, visit=late_visit(begun), reason="moved away")
        for participant in (begun, never):
            assert services.complete(actor=coordinator, participant=participant).status == "completed"


def test_what_follows_from_a_missed_randomization_is_made_good(people, coordinator, late_visit):
    participant = walk("operated", **people)
    with acting(coordinator):
        planned = Visit.objects.get(participant=participant, code="RAND")
    visits.miss(actor=coordinator, visit=planned, reason="went home", forgone=True)
    assert late_visit(participant) is None
    corrections.forgo_randomization(actor=coordinator, participant=participant, reason="went home")
    assert late_visit(participant).target_on == SURGERY + dt.timedelta(days=30)


def test_the_end_of_treatment_over_rest_and_on_its_page(in_arm, coordinator, client):
    participant = in_arm("RFA_PVP_SBRT")
    client.force_login(coordinator)

    def offered():
        shown = client.get(f"/admin/participant/{participant.code}/").content.decode()
        return [
            step for step in ("start_treatment", "end_treatment") if f"/{participant.code}/{step}/" in shown
        ]

    with afterwards():
        assert offered() == ["start_treatment"]
        start(coordinator, participant)
        give(coordinator, participant, 0, 2, 4, 6)
        assert offered() == ["end_treatment"]
        page = client.get(f"/admin/participant/{participant.code}/end_treatment/")
        address = f"/api/v1/participants/{participant.code}/treatment-end/"
        values = {"endat": (FIRST + dt.timedelta(days=6)).isoformat(), "completed": True}
        made = client.post(address, {"values": values}, content_type="application/json")
        other = {**values, "completed": False, "reason": "She was too ill."}
        stale = client.put(
            address, {"values": other, "version": 7, "reason": "misread"}, content_type="application/json"
        )
        assert offered() == []
    assert page.status_code == 200
    assert (made.status_code, [visit["code"] for visit in made.json()]) == (201, ["LATE"])
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
