"""What the loader refuses in a schedule, with file and path."""

import copy

import pytest

from tests.conftest import ROOT
from trialsite.protocol.definition import Definition
from trialsite.protocol.meaning import problems_of
from trialsite.protocol.offsets import Offset
from trialsite.protocol.reader import read


@pytest.fixture(scope="module")
def trial():
    document, problems = read(ROOT / "protocols" / "nct06756087")
    assert problems == []
    return document


def changed(trial, code, **changes):
    """One visit changed (None takes a key away): its place, and what is found wrong with the visits."""
    document = copy.deepcopy(trial)
    place = next(number for number, visit in enumerate(document["visits"]) if visit["code"] == code)
    visit = document["visits"][place]
    for key, value in changes.items():
        visit.pop(key, None)
        if value is not None:
            visit[key] = value
    return place, {(path, text) for part, path, text in problems_of(document) if part == "visits"}


@pytest.mark.parametrize(
    ("code", "changes", "key", "text"),
    [
        ("W2", {"before": 5}, "", "its window overlaps that of W1"),
        ("W2", {"day": 9, "before": 0}, "", "its window overlaps that of W1"),
        ("M3", {"day": None, "months": 1}, "", "its window overlaps that of W4"),
        ("M12", {"day": None, "weeks": 27}, "", "its window overlaps that of M6"),
        ("W2", {"anchor": "randomization"}, ".anchor", "is not that of W1, of the same series"),
        ("W1", {"anchor": "visit:W9"}, ".anchor", "there is no 'W9'"),
        ("W1", {"anchor": "visit:UNS"}, ".anchor", "UNS has no date of its own to count from"),
        ("RAND", {"anchor": "visit:SBRT"}, ".arms", "must be those of SBRT, from which it counts"),
        ("RAND", {"anchor": "visit:RAND"}, ".anchor", "leads back to this visit"),
        (
            "RAND",
            {"anchor": "end_of_local_treatment"},
            ".reveals_arm",
            "must be true: local treatment ends otherwise in each arm",
        ),
        (
            "RAND",
            {"anchor": "visit:SBRT"},
            ".reveals_arm",
            "must be true: it counts from SBRT, which tells the arm",
        ),
        ("W1", {"weeks": 1}, ".day", "one of day, weeks and months is needed for a visit with a date"),
        ("W1", {"day": None}, ".day", "one of day, weeks and months is needed for a visit with a date"),
        ("UNS", {"months": 2}, ".months", "an unscheduled visit has no date"),
        ("SBRT", {"should_follow": ["W9"]}, ".should_follow", "there is no 'W9'"),
        ("RAND", {"must_follow": ["SBRT"]}, ".must_follow", "leads back to this visit"),
    ],
)
def test_a_schedule_that_cannot_hold_is_refused(trial, code, changes, key, text):
    place, found = changed(trial, code, **changes)
    assert (f"[{place}]{key}", text) in found


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("W2", {"before": 4}),
        ("M3", {"day": None, "months": 3}),
        ("M12", {"day": None, "months": 12}),
        ("RAND", {"anchor": "visit:W1", "day": 1}),
        ("RAND", {"anchor": "end_of_local_treatment", "reveals_arm": True}),
    ],
)
def test_a_schedule_that_holds_is_taken(trial, code, changes):
    assert changed(trial, code, **changes)[1] == set()


def test_months_are_weighed_at_their_shortest(trial):
    """From 30 January two months are 59 days, and from 1 July 62: the windows touch for the one anchor alone."""
    document = copy.deepcopy(trial)
    series = [visit for visit in document["visits"] if visit["kind"] == "series"]
    for visit in series[2:]:
        document["visits"].remove(visit)
    for visit, offset in zip(series, ({"day": 50}, {"months": 2}), strict=False):
        visit.pop("day")
        visit.update(offset, before=0, after=8)
    series[1]["after"] = 0
    assert [text for part, _, text in problems_of(document) if part == "visits"] == []
    series[0]["after"] = 9
    assert [text for part, _, text in problems_of(document) if part == "visits"] == [
        "its window overlaps that of W1"
    ]


def test_a_key_date_is_required_and_whole(trial):
    document = copy.deepcopy(trial)
    (surgery,) = [form for form in document["forms"] if form["code"] == "surgery"]
    item = next(
        item for section in surgery["sections"] for item in section["items"] if item["name"] == "prdat"
    )
    item["partial"] = True
    found = [(part, path) for part, path, _ in problems_of(document)]
    assert ("form:surgery", "prdat") in found


def test_visits_count_from_the_trials_anchor_where_they_name_none(trial):
    document = copy.deepcopy(trial)
    document["trial"]["anchor"] = "randomization"
    definition = Definition.from_document(document)
    assert definition.visit("W1").anchor == "randomization"
    assert definition.visit("RAND").anchor == "surgery"
    assert definition.visit("W1").offset == Offset(7)
