"""The scoring keys as they are shipped, against answers that are each told from all others.

Each expected number is worked by hand from the instrument's published rule, not by the algorithm: an item that is
missing from a scale, twice in it, in another one or wrongly mirrored changes it.
"""

from fractions import Fraction

import pytest

from tests.conftest import ROOT
from trialsite.casebook.scores import scores_of
from trialsite.protocol.definition import Definition
from trialsite.protocol.reader import read

F = Fraction
TRIAL = Definition.from_document(read(ROOT / "protocols" / "nct06756087")[0])


def scored(form, answers):
    """{score: value} of the shipped form."""
    rule = TRIAL.form(form).score or {}
    return {one.name: one.value for one in scores_of(rule, answers)}


def answers_of(form, lowest, span):
    """For each item of the shipped questionnaire the lowest answer, and what each of them adds by the highest."""
    items = [name for name, item in TRIAL.form(form).items.items() if item.type == "integer"]
    return items, dict.fromkeys(items, F(lowest)), F(lowest + span)


# Item numbers of each scale as the manuals print them; + rises with the answer, − falls with it.
C30 = {
    "PF2": ("-", (1, 2, 3, 4, 5)),
    "RF2": ("-", (6, 7)),
    "EF": ("-", (21, 22, 23, 24)),
    "CF": ("-", (20, 25)),
    "SF": ("-", (26, 27)),
    "FA": ("+", (10, 12, 18)),
    "NV": ("+", (14, 15)),
    "PA": ("+", (9, 19)),
    "DY": ("+", (8,)),
    "SL": ("+", (11,)),
    "AP": ("+", (13,)),
    "CO": ("+", (16,)),
    "DI": ("+", (17,)),
    "FI": ("+", (28,)),
    "QL2": ("+", (29, 30)),
}
BM22 = {
    "PS": ("+", (31, 32, 33, 34, 35)),
    "PC": ("+", (36, 37, 38)),
    "FI": ("-", tuple(range(39, 47))),
    "PA": ("-", tuple(range(47, 53))),
}
# Worded the other way round: their highest answer is the best.
MIRRORED = {51, 52}


@pytest.mark.parametrize(("form", "key", "numbers"), [("qlq_c30", C30, 30), ("qlq_bm22", BM22, 22)])
def test_each_item_moves_its_own_scale_alone_by_its_own_share(form, key, numbers):
    items, best, _highest = answers_of(form, 1, 3)
    assert len(items) == numbers
    start = scored(form, best)
    assert set(start) == set(key)
    for item in items:
        number = int(item[1:])
        span = 6 if number in (29, 30) else 3
        found = scored(form, best | {item: F(1 + span)})
        moved = {name: found[name] - start[name] for name in found if found[name] != start[name]}
        [(scale, (sign, members))] = [(name, one) for name, one in key.items() if number in one[1]]
        share = F(100, len(members))
        rises = (sign == "+") != (number in MIRRORED)
        assert moved == {scale: share if rises else -share}, item


@pytest.mark.parametrize(
    ("form", "answers", "expected"),
    [
        # Answers 1 to 4 in turn over items 1 to 28; global health 6 and 4 of 7.
        (
            "qlq_c30",
            {f"q{n}": F((n - 1) % 4 + 1) for n in range(1, 29)} | {"q29": F(6), "q30": F(4)},
            {
                "PF2": F(60),  # 1 2 3 4 1: mean 11/5
                "RF2": F(50),  # 2 3
                "EF": F(50),  # 1 2 3 4
                "CF": F(50),  # 4 1
                "SF": F(50),  # 2 3
                "FA": F(500, 9),  # 2 4 2: mean 8/3
                "NV": F(50),  # 2 3
                "PA": F(100, 3),  # 1 3
                "DY": F(100),  # 4
                "SL": F(200, 3),  # 3
                "AP": F(0),  # 1
                "CO": F(100),  # 4
                "DI": F(0),  # 1
                "FI": F(100),  # 4
                "QL2": F(200, 3),  # 6 4: mean 5
            },
        ),
        (
            "qlq_bm22",
            {f"q{n}": F((n - 31) % 4 + 1) for n in range(31, 53)},
            {
                "PS": F(40),  # 1 2 3 4 1: mean 11/5
                "PC": F(200, 3),  # 2 3 4: mean 3
                "FI": F(50),  # 1 2 3 4 1 2 3 4
                "PA": F(350, 9),  # 1 2 3 4 and, mirrored, 4 3: mean 17/6
            },
        ),
        (
            "bpi",
            {f"q{n}": F(v) for n, v in enumerate((8, 3, 5, 7, 4, 9, 6, 1, 10, 2, 0), start=1)},
            {"severity": F(23, 4), "interference": F(32, 7)},
        ),
        (
            "odi",
            {f"q{n}": F(v) for n, v in enumerate((1, 2, 3, 4, 5, 0, 1, 2, 3, 4), start=1)},
            {"disability": F(50)},
        ),
        (
            "eq5d",
            dict(
                zip(
                    ("mobility", "self_care", "activities", "discomfort", "anxiety"),
                    map(F, range(1, 6)),
                    strict=True,
                )
            ),
            {"profile": "12345"},
        ),
        (
            "sins",
            {
                "level": "L3",
                "pain": "mechanical",
                "lesion": "mixed",
                "alignment": "deformity",
                "collapse": "up_to_50",
                "posterolateral": "unilateral",
            },
            # mobile 2, mechanical 3, mixed 1, deformity 2, at most half 2, one side 1
            {"total": F(11), "class": "potentially_unstable"},
        ),
    ],
)
def test_one_patient_worked_by_hand(form, answers, expected):
    assert scored(form, answers) == expected


@pytest.mark.parametrize(
    ("form", "scale", "items"), [("bpi", "interference", range(5, 12)), ("odi", "disability", range(1, 11))]
)
def test_each_item_of_a_mean_or_share_counts_once(form, scale, items):
    names, zero, highest = answers_of(form, 0, 10 if form == "bpi" else 5)
    assert {f"q{n}" for n in items} <= set(names)
    for n in items:
        assert scored(form, zero | {f"q{n}": highest})[scale] == {"bpi": F(10, 7), "odi": F(10)}[form]


def test_severity_is_of_the_first_four_items_alone():
    _names, zero, highest = answers_of("bpi", 0, 10)
    assert [scored("bpi", zero | {f"q{n}": highest})["severity"] for n in range(1, 12)] == [F(5, 2)] * 4 + [
        F(0)
    ] * 7
