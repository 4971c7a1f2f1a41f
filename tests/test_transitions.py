"""docs/transitions.md says what the code does, row by row."""

import re
from collections.abc import Iterable
from pathlib import Path

from randomization import steering
from trialsite.casebook import rules as casebook
from trialsite.enrollment.steps import STEPS
from trialsite.imports import models as imports
from trialsite.outbox import rules as outbox
from trialsite.participants import rules as participants
from trialsite.sites import services as sites
from visits import rules as visits

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "transitions.md").read_text(encoding="utf-8")


def _table(heading: str) -> list[tuple[str, ...]]:
    """The rows of the table under `## heading`, without its head, code marks removed."""
    section = re.split(r"^## ", PAGE, flags=re.M)
    body = next(part for part in section if part.startswith(heading + "\n"))
    rows = [line for line in body.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip().replace("`", "") for cell in row.strip("|").split("|")) for row in rows]


def _listed(states: Iterable[str]) -> str:
    return ", ".join(states) or "–"


def _moves(table: dict[str, Iterable[str]]) -> list[tuple[str, ...]]:
    return [(state, _listed(sorted(following))) for state, following in table.items()]


def test_the_steps_of_a_participant():
    code = [(step.code, _listed(step.before), step.to or "unchanged", step.capability) for step in STEPS]
    assert [row[:4] for row in _table("Steps of a participant")] == code


def test_the_status_of_a_participant():
    assert _table("Status of a participant") == _moves(dict(participants.TRANSITIONS))


def test_every_step_moves_along_the_status_table():
    for step in STEPS:
        for status in step.before:
            if (
                step.to is not None
                and step.to != status
                and (step.code, status) != ("sign_eligibility", "operated")
            ):
                assert step.to in participants.TRANSITIONS[status], (step.code, status)


def test_the_state_of_a_hospital():
    assert _table("State of a hospital") == _moves(dict(sites.TRANSITIONS))


def test_the_state_of_an_activation():
    assert _table("State of an activation") == _moves(dict(sites.ACTIVATION_TRANSITIONS))


def test_the_state_of_randomization():
    assert _table("State of randomization") == _moves(dict(steering.STATES))


def test_the_state_of_a_visit():
    assert _table("State of a visit") == _moves(dict(visits.TRANSITIONS))


def test_the_state_of_a_message():
    assert _table("State of a message") == _moves(dict(outbox.TRANSITIONS))


def test_the_state_of_a_query():
    assert _table("State of a query") == _moves(dict(casebook.TRANSITIONS_OF_QUERY))


def test_the_state_of_an_import():
    assert _table("State of an import") == _moves(dict(imports.TRANSITIONS))
