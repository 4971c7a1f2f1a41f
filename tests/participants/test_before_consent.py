"""Nothing of the trial is dated before the consent; routine care from before it says that it is routine."""

import datetime as dt
from typing import Any

import pytest

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import RecordedBeforeConsent
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
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
