"""Both sides of every limit of the protocol, judged over values as a coordinator enters them."""

import datetime as dt
from typing import Any

import pytest

from tests.eligibility.table import (
    LAST_DAY_OF_YEAR,
    OPEN,
    SEEN,
    TABLE,
    TODAY,
    UNKNOWN,
    YES,
    before,
    of,
    weighing,
    with_uln,
)
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.console.criteria import compared
from trialsite.demo import casebook
from trialsite.enrollment import planning, services
from trialsite.participants.models import Participant

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(site_a, coordinator, investigator):
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


@pytest.fixture
def participant(team):
    """Consented eight days ago, every screening form filled in two days ago."""
    return walk("consented", **team)


class Screening:
    """Enters changed forms, judges as of today, and puts the forms back."""

    def __init__(self, coordinator: Any, participant: Any) -> None:
        self.coordinator, self.participant = coordinator, participant
        self.forms = casebook.screening(SEEN)

    def enter(self, form: str, values: dict[str, Any]) -> None:
        with acting(self.coordinator):
            stored = Record.objects.get(participant=self.participant, event="SCR", form=form)
        save_record(
            actor=self.coordinator,
            participant=self.participant,
            event="SCR",
            form=form,
            values=values,
            expected_version=stored.version,
            reason="another value",
        )

    def finding(self, criterion: str, changes: dict[str, dict[str, Any]], t0: dt.date = TODAY) -> Any:
        for form, items in changes.items():
            self.enter(form, {**self.forms[form], **items})
        with acting(self.coordinator):
            verdict = services.verdict(participant=self.participant, surgery_on=t0)
        for form in changes:
            self.enter(form, self.forms[form])
        return next(one for one in verdict.findings if one.id == criterion)


@pytest.fixture
def screening(coordinator, participant):
    made = Screening(coordinator, participant)
    for form, values in made.forms.items():
        made.enter(form, values)
    return made


def test_the_table_holds_every_computed_criterion(definition):
    asked_again = {one.id for one in definition.criteria if one.recheck_at_randomization}
    assert {row[0] for row in TABLE} == {one.id for one in definition.criteria} - asked_again


def test_both_sides_of_every_limit(screening):
    wrong = []
    for criterion, changes, expected in TABLE:
        finding = screening.finding(criterion, changes)
        if finding.satisfied is not expected:
            wrong.append((criterion, changes, finding))
    assert wrong == []


def test_an_unknown_names_what_lacks_and_a_verdict_what_was_read(screening):
    open_finding = screening.finding("E11a", of("serology", hbsag="positive", hbv_dna=UNKNOWN))
    assert open_finding.missing == {"serology.hbv_dna": "missing"}
    assert open_finding.inputs["serology.hbsag"] == "positive"
    judged = screening.finding("I7b-2", of("labs", ast=with_uln("100", "U/L", "40")))
    assert judged.inputs["labs.ast"] == "100 U/L"
    assert judged.sources["labs.ast"].startswith("SCR/labs v")
    assert judged.compared[0] == {
        "left": "labs.ast",
        "sign": "<",
        "right": "2.5 * uln(labs.ast)",
        "left_value": "100",
        "right_value": "100",
        "held": "no",
    }
    assert judged.missing == {}


@pytest.mark.parametrize(
    ("criterion", "days"),
    [("I7a-1", 14), ("I3c", 42), ("I7d-1", 28), ("E9", 28), ("E7", 28), ("E3", 14), ("E12c", 14)],
)
def test_a_value_counts_back_from_the_surgery_and_grows_too_old(screening, criterion, days):
    last = SEEN + dt.timedelta(days=days)
    assert screening.finding(criterion, {}, t0=last).satisfied is YES
    late = screening.finding(criterion, {}, t0=last + dt.timedelta(days=1))
    assert late.satisfied is OPEN
    assert "stale" in late.missing.values()
    assert screening.finding(criterion, {}, t0=SEEN - dt.timedelta(days=1)).satisfied is OPEN


def test_a_partial_date_that_leaves_a_criterion_open_is_asked_about_until_more_is_known(
    screening, participant
):
    def asked(form: str) -> list[str]:
        with acting(screening.coordinator):
            record = Record.objects.get(participant=participant, event="SCR", form=form)
            return [one.check_id for one in record.queries.open() if one.check_id.startswith("partial:")]

    history = screening.forms["history"] | {"prior_rt": True}
    # As long as no surgery is planned there is no day from which to count, least of all today.
    unplanned = Participant.objects.filter(pk=participant.pk)
    with acting(screening.coordinator):
        unplanned.update(planned_surgery_on=None)
        participant.refresh_from_db()
    screening.enter("history", history | {"prior_rt_last": before(24)[:4]})
    assert asked("history") == []
    planning.plan_surgery(actor=screening.coordinator, participant=participant, surgery_on=TODAY)
    assert asked("history") == ["partial:prior_rt_last"]
    planning.plan_surgery(
        actor=screening.coordinator,
        participant=participant,
        surgery_on=TODAY + dt.timedelta(days=400),
        reason="postponed",
    )
    assert asked("history") == [], "by then all of that year lies before"
    planning.plan_surgery(
        actor=screening.coordinator, participant=participant, surgery_on=TODAY, reason="sooner after all"
    )
    screening.enter("history", history | {"prior_rt_last": before(60)[:4]})
    screening.enter("history", history | {"prior_rt_last": before(24)[:4]})
    assert asked("history") == ["partial:prior_rt_last"]
    screening.enter("history", history | {"prior_rt_last": before(48)[:4]})
    assert asked("history") == [], "all of that year lies before"
    # Of the year of birth alone: a matter of age only, then of the clearance once the laboratory is in doubt.
    born = str(SEEN.year - 65)
    screening.enter("demographics", {"sex": "male", "brthdat": born})
    assert asked("demographics") == []
    screening.enter("labs", screening.forms["labs"] | weighing("35.7")["labs"])
    assert asked("demographics") == ([] if LAST_DAY_OF_YEAR == SEEN else ["partial:brthdat"])


def test_a_comparison_is_told_as_it_came_out_with_the_limit_in_words(screening):
    """Whoever reads “62 < 50” beside a tick believes neither."""
    definition = screening.participant.protocol_version.definition
    changes = {
        **of("labs", ast=with_uln("100", "U/L", "40"), wbc={"value": "6.2", "unit": "10^9/L"}),
        **of("echo", lvef={"value": "62"}),
    }
    told = {
        one: compared(definition, screening.finding(one, changes))
        for one in ("I7b-2", "I7a-1", "E12d", "I3c")
    }
    assert told["I7b-2"][0] == "AST: 100 ≥ 100 (2.5 × upper limit of normal)"
    assert told["I7a-1"] == ["White cells: 6.2 ≥ 3"]
    assert told["E12d"] == ["LVEF: 62 ≥ 50"]
    assert told["I3c"] == ["Affected vertebrae in all: 1 ≥ 1", "Affected vertebrae in all: 1 ≤ 2"]
