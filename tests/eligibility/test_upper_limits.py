"""The upper limit of normal: whose it is, in which range it can lie, and where a verdict tells it."""

import datetime as dt
from typing import Any

import pytest

from tests.eligibility.test_breaches import limit
from tests.path import PASSWORD, walk
from trialsite.audit.context import acting
from trialsite.casebook.errors import ValuesRefused
from trialsite.casebook.models import Record
from trialsite.casebook.services import Saved, save_record
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.demo import casebook
from trialsite.enrollment import services

pytestmark = pytest.mark.django_db
LAST_YEAR = dt.date(2025, 1, 1)


@pytest.fixture
def person_at_a(site_a, coordinator, investigator):
    return walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)


def record(actor: Any, participant: Any, form: str) -> Record:
    with acting(actor):
        return Record.objects.get(participant=participant, event="SCR", form=form)


def save(actor: Any, participant: Any, form: str, **items: Any) -> Saved:
    with acting(actor):
        stands = Record.objects.filter(participant=participant, event="SCR", form=form).first()
    return save_record(
        actor=actor,
        participant=participant,
        event="SCR",
        form=form,
        values=items,
        partial=stands is not None,
        expected_version=stands.version if stands else None,
        reason="read again",
    )


def test_correcting_the_sex_takes_the_limits_of_that_sex_and_the_signature_falls(
    person_at_a, site_a, coordinator, investigator, definition
):
    limit(coordinator, site_a, definition, "50", LAST_YEAR, sex="male")
    limit(coordinator, site_a, definition, "40", LAST_YEAR, sex="female")
    save(coordinator, person_at_a, "labs", ast={"value": "105"})
    today = clock.today(site_a.timezone)
    signed = services.sign_eligibility(
        actor=investigator,
        participant=person_at_a,
        password=PASSWORD,
        surgery_on=today,
        reason="postponed",
    )
    before = record(coordinator, person_at_a, "labs")
    assert (before.data["ast"]["uln"], before.data["alt"]["uln"]) == ("50", "50")
    save(coordinator, person_at_a, "demographics", sex="female")
    after = record(coordinator, person_at_a, "labs")
    assert (after.version, after.data["ast"]["uln"]) == (before.version + 1, "40")
    assert after.data["alt"] == before.data["alt"], "what was entered stays"
    with acting(coordinator):
        signed.signature.refresh_from_db()
        assert not signed.signature.standing
        found = services.verdict(participant=person_at_a, surgery_on=today)
    assert "I7b-2" in found.failing()


def test_a_laboratory_entered_before_the_demographics_takes_the_limits_of_the_sex_then(
    site_a, coordinator, investigator, definition
):
    limit(coordinator, site_a, definition, "45", LAST_YEAR)
    limit(coordinator, site_a, definition, "40", LAST_YEAR, sex="male")
    person = services.register(actor=coordinator, site=site_a, registration_key="labs-first")
    at = clock.now() - dt.timedelta(days=5)
    services.consent(
        actor=coordinator,
        participant=person,
        form_version="1.0",
        patient_signed_at=at,
        family_signed_at=at,
    )
    forms = casebook.screening(clock.today(site_a.timezone))
    with acting(coordinator):
        person.refresh_from_db()
    save(coordinator, person, "labs", **forms["labs"] | {"ast": {"value": "28"}})
    assert record(coordinator, person, "labs").data["ast"]["uln"] == "45"
    save(coordinator, person, "demographics", **forms["demographics"])
    assert record(coordinator, person, "labs").data["ast"]["uln"] == "40"


@pytest.mark.parametrize(
    ("creatinine", "words"),
    [
        # The limit stands in the unit of the value: 104 mg/dL would be 9193.6 µmol/L.
        ({"value": "3.0", "unit": "mg/dL", "uln": "104"}, "µmol/L?"),
        ({"value": "78", "unit": "µmol/L", "uln": "1.2"}, "mg/dL?"),
        ({"value": "78", "unit": "µmol/L", "uln": "2000.1"}, "10 to 2000 µmol/L"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_and_the_likely_unit_named(
    person_at_a, coordinator, creatinine, words
):
    with pytest.raises(ValuesRefused) as refused:
        save(coordinator, person_at_a, "labs", creat=creatinine)
    assert list(refused.value.fields) == ["creat"]
    assert words in refused.value.fields["creat"][0]


def test_an_odd_limit_and_one_that_the_register_contradicts_are_asked_about(
    person_at_a, site_a, coordinator, definition
):
    def asked(**items: Any) -> set[str]:
        saved = save(coordinator, person_at_a, "labs", **items)
        return {one.check_id for one in saved.queries}

    assert asked(creat={"value": "78", "uln": "150"}) == set()
    assert asked(creat={"value": "78", "uln": "151"}) == {"uln:creat"}
    limit(coordinator, site_a, definition, "1.2", LAST_YEAR, item="creat", unit="mg/dL")
    assert asked(creat={"value": "78", "uln": "104"}) == {"register:creat"}
    assert asked(creat={"value": "78", "uln": "106.08"}) == set(), "the same limit, in the other unit"
    assert asked(creat={"value": "78"}) == set()


def test_the_register_refuses_a_limit_that_cannot_be(site_a, coordinator, definition):
    with pytest.raises(Invalid) as refused:
        limit(coordinator, site_a, definition, "104", LAST_YEAR, item="creat", unit="mg/dL")
    assert "µmol/L?" in refused.value.fields["value"][0]


def test_a_verdict_tells_the_limit_and_on_which_days_it_holds(person_at_a, site_a, coordinator, definition):
    limit(coordinator, site_a, definition, "0.7", LAST_YEAR, unit="µkat/L", valid_until=dt.date(2099, 1, 1))
    save(coordinator, person_at_a, "labs", ast={"value": "28"})
    with acting(coordinator):
        verdict = services.verdict(participant=person_at_a)
    found = next(one for one in verdict.findings if one.id == "I7b-2")
    assert {name: found.inputs[f"labs.{name} ULN"] for name in ("ast", "alt")} == {
        "ast": "42 U/L (2025-01-01 – 2099-01-01)",
        "alt": "50 U/L",
    }
    kept = record(coordinator, person_at_a, "labs").data["ast"]["uln_limit"]
    assert (kept["valid_from"], kept["valid_until"]) == ("2025-01-01", "2099-01-01")
