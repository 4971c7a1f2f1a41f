"""Nothing of the trial is dated before the consent; routine care from before it says that it is routine."""

import datetime as dt
from typing import Any

import pytest

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import RecordedBeforeConsent, ValuesRefused
from trialsite.casebook.models import Query
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import corrections, services
from trialsite.participants.models import Consent


@pytest.fixture
def consented_on(site_a, coordinator, investigator):
    """A participant and the local date of the consent: eight days ago."""
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    return participant, clock.today("Asia/Shanghai") - dt.timedelta(days=8)


def save(actor: Any, participant: Any, form: str, day: dt.date, **changes: Any) -> Any:
    values = {**casebook.screening(day)[form], **changes}
    return save_record(
        actor=actor,
        participant=participant,
        event="SCR",
        form=form,
        values=values,
        expected_version=1,
        reason="Read again in the file.",
    )


def test_a_procedure_of_the_trial_is_refused_on_the_day_before_consent_and_taken_on_its_day(
    consented_on, coordinator
):
    participant, day = consented_on
    with pytest.raises(RecordedBeforeConsent) as refused:
        save(coordinator, participant, "pain", day - dt.timedelta(days=1))
    assert list(refused.value.fields) == ["paindat"]
    assert save(coordinator, participant, "pain", day).changed


def test_a_procedure_of_the_trial_without_its_day_is_refused(consented_on, coordinator):
    """Nobody could tell whether it followed the consent."""
    participant, day = consented_on
    for no_day in ({"missing": "unknown"}, None, f"{day:%Y-%m}"):
        with pytest.raises(ValuesRefused) as refused:
            save(coordinator, participant, "pain", day, paindat=no_day)
        assert list(refused.value.fields) == ["paindat"]


def test_a_result_from_before_consent_is_taken_only_where_it_says_routine_care(consented_on, coordinator):
    participant, day = consented_on
    before = day - dt.timedelta(days=1)
    with pytest.raises(RecordedBeforeConsent) as refused:
        save(coordinator, participant, "labs", before, source="study")
    assert list(refused.value.fields) == ["source"]
    assert save(coordinator, participant, "labs", before, source="routine").changed


def test_on_the_day_of_the_consent_the_time_decides_where_it_is_known(consented_on, coordinator):
    participant, _day = consented_on
    with acting(coordinator):
        signed = clock.local(Consent.objects.get(participant=participant).patient_signed_at, "Asia/Shanghai")
    earlier = signed - dt.timedelta(minutes=1)
    with pytest.raises(RecordedBeforeConsent) as refused:
        save(coordinator, participant, "labs", earlier.date(), source="study", lbtim=f"{earlier:%H:%M}")
    assert list(refused.value.fields) == ["source"]
    assert save(
        coordinator, participant, "labs", signed.date(), source="study", lbtim=f"{signed:%H:%M}"
    ).changed


def consented_at(actor: Any, participant: Any, at: dt.datetime) -> dict[str, Any]:
    """The first criterion once the consent turns out to have been signed `at`."""
    corrections.correct_consent(
        actor=actor,
        participant=participant,
        form_version="1.0",
        patient_signed_at=at,
        family_signed_at=at,
        expected_version=1,
        reason="The date was misread.",
    )
    with acting(actor):
        verdict = services.verdict(participant=participant, surgery_on=clock.today("Asia/Shanghai"))
    found = next(one for one in verdict.findings if one.id == "I1")
    name = "study.first_procedure_on"
    return {"state": found.state, "shown": found.inputs[name], "source": found.sources[name]}


@pytest.mark.parametrize(
    ("form", "time", "signed", "state", "shown"),
    [
        # What is done for the trial alone needs no mark to be a procedure of it.
        ("pain", {}, dt.time(9), "met", ""),
        ("pain", {}, None, "not_met", ""),
        # On one day the time decides, where it is known.
        ("labs", {"source": "study", "lbtim": "09:00"}, dt.time(9), "met", " 09:00"),
        ("labs", {"source": "study", "lbtim": "09:00"}, dt.time(9, 1), "not_met", " 09:00"),
        ("labs", {"source": "study"}, dt.time(9, 1), "met", ""),
    ],
)
def test_the_first_procedure_of_the_trial_is_whatever_was_done_for_it_first(
    consented_on, coordinator, form, time, signed, state, shown
):
    participant, first = consented_on
    day = first + dt.timedelta(days=1)
    save(coordinator, participant, form, day, **({"lbtim": None} if form == "labs" else {}) | time)
    zone = clock.local(clock.now(), "Asia/Shanghai").tzinfo
    at = dt.datetime.combine(
        day if signed else day + dt.timedelta(days=1), signed or dt.time(0, 1), tzinfo=zone
    )
    assert consented_at(coordinator, participant, at) == {
        "state": state,
        "shown": f"{day}{shown}",
        "source": f"SCR/{form} v2",
    }


def test_a_corrected_consent_asks_anew_what_rests_on_its_time(site_a, coordinator, investigator):
    """Eighteen on the day of the consent as it was entered, seventeen on the true one."""
    day = clock.today("Asia/Shanghai") - dt.timedelta(days=8)
    participant = walk(
        "consented",
        site=site_a,
        coordinator=coordinator,
        investigator=investigator,
        demographics={"brthdat": f"{day.year - 18}-{day:%m-%d}"},
    )

    def asked() -> list[str]:
        with acting(coordinator):
            rows = Query.objects.open().filter(participant=participant, record__form="demographics")
            return list(rows.values_list("check_id", flat=True))

    assert asked() == []
    consented_at(coordinator, participant, clock.now() - dt.timedelta(days=9))
    assert [one.rpartition(".")[2] for one in asked()] == ["age_unusual"]
