"""Screened under one version, judged under the next: what the amendment asks otherwise is unknown, never misread."""

from typing import Any

import pytest

from tests.participants.amendment import activate_at, amended, form_at
from tests.participants.test_consents import consent
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import services as casebook
from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.enrollment import services
from trialsite.participants.models import Participant


def item(document: Any, form: str, name: str) -> dict[str, Any]:
    described = next(one for one in document["forms"] if one["code"] == form)
    return next(one for part in described["sections"] for one in part["items"] if one["name"] == name)


def rule(document: Any, criterion: str, text: str) -> None:
    next(one for one in document["criteria"] if one["id"] == criterion)["rule"] = text


def without_echo(document: Any) -> None:
    document["forms"] = [one for one in document["forms"] if one["code"] != "echo"]
    for visit in document["visits"]:
        visit["forms"] = [code for code in visit.get("forms", ()) if code != "echo"]
    document["criteria"] = [one for one in document["criteria"] if one["id"] not in ("I7d-1", "E12d")]


def haemoglobin_per_decilitre(document: Any) -> None:
    hgb = item(document, "labs", "hgb")
    hgb |= {"unit": "g/dL", "accepted_units": {"g/L": "1/10"}, "hard": [2, 25], "soft": [8, 18]}
    rule(document, "I7a-5", "labs.hgb >= 10")


def ecog_as_a_list(document: Any) -> None:
    ecog = item(document, "performance", "ecog")
    for gone in ("hard", "soft"):
        ecog.pop(gone, None)
    ecog["type"] = "choice"
    ecog["choices"] = [{"code": str(n), "label": {"en": str(n), "zh": str(n)}} for n in range(6)]
    rule(document, "I6", 'performance.ecog in ["0", "1", "2"]')


@pytest.fixture
def bound(committed, sealed, site_a, coordinator, investigator):
    """Screened under 1.0 and bound by consent to 1.1, which `change(document)` makes."""

    def make(change: Any) -> Participant:
        participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
        version = amended(change)
        form_at(activate_at(version, site_a), site_a, version)
        consent(coordinator, participant, "1.1")
        with acting(coordinator):
            return Participant.objects.with_protocol().get(pk=participant.pk)

    return make


def verdict(actor: Any, participant: Participant) -> Any:
    with acting(actor):
        return services.verdict(participant=participant, surgery_on=clock.today(participant.site.timezone))


def test_a_form_that_is_asked_no_more_decides_nothing(bound, coordinator):
    assert verdict(coordinator, bound(without_echo)).eligible is True


@pytest.mark.parametrize(
    ("change", "form", "criterion"),
    [(haemoglobin_per_decilitre, "labs", "I7a-5"), (ecog_as_a_list, "performance", "I6")],
)
def test_an_answer_to_another_question_is_unknown_until_the_record_is_brought_over(
    bound, coordinator, change, form, criterion
):
    """124 stored as g/L is no 124 g/dL; a number is no code of a list."""
    participant = bound(change)
    found = verdict(coordinator, participant)
    assert (found.failing(), found.unknown()) == ([], [criterion])
    # What asks the same as before still counts: one changed question does not undo a whole form.
    with acting(coordinator):
        record = Record.objects.get(participant=participant, event="SCR", form=form)
    brought = casebook.migrate_record(
        actor=coordinator, record=record, expected_version=record.version, reason="The amended form."
    ).record
    if brought.state != "complete":
        brought = casebook.save_record(
            actor=coordinator,
            participant=participant,
            event="SCR",
            form=form,
            values={"ecog": "1"},
            partial=True,
            expected_version=brought.version,
            reason="Asked as a list.",
        ).record
    assert verdict(coordinator, participant).eligible is True


@pytest.mark.parametrize("change", [haemoglobin_per_decilitre, ecog_as_a_list, without_echo])
def test_saving_beside_a_form_of_the_version_before_reads_nothing_wrongly(bound, coordinator, change):
    participant = bound(change)
    with acting(coordinator):
        history = Record.objects.get(participant=participant, event="SCR", form="history")
    saved = casebook.save_record(
        actor=coordinator,
        participant=participant,
        event="SCR",
        form="history",
        values={"transplant": True, "transplant_type": "cornea"},
        partial=True,
        expected_version=history.version,
        reason="Told today.",
    )
    assert saved.changed
