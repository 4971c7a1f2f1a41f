"""Spinal Instability Neoplastic Score of one treated level, 0 to 18.

Source: Fisher et al., Spine 2010; 35: E1221–E1229. Exactly 50 % collapse counts as "at most 50 %" (our reading).
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from trialsite.casebook.scores.kinds import Answers, Score

PARTS: Final[Mapping[str, Mapping[str, int]]] = {
    "pain": {"mechanical": 3, "other": 1, "none": 0},
    "lesion": {"lytic": 2, "mixed": 1, "blastic": 0},
    "alignment": {"subluxation": 4, "deformity": 2, "normal": 0},
    "collapse": {"above_50": 3, "up_to_50": 2, "body_above_50": 1, "none": 0},
    "posterolateral": {"bilateral": 3, "unilateral": 1, "none": 0},
}


def location(level: str) -> int | None:
    """3 for junctional levels, 2 mobile, 1 semirigid, 0 rigid; None for a name that is no level.

    Junctional: occiput to C2, C7 to T2, T11 to L1, L5 to S1. Mobile: C3 to C6, L2 to L4. Semirigid: T3 to T10.
    Rigid: S2 to S5.
    """
    if level in ("C0", "C1", "C2", "C7", "T1", "T2", "T11", "T12", "L1", "L5", "S1"):
        return 3
    if level in ("C3", "C4", "C5", "C6", "L2", "L3", "L4"):
        return 2
    if level in {f"T{number}" for number in range(3, 11)}:
        return 1
    if level in ("S2", "S3", "S4", "S5"):
        return 0
    return None


def sins(answers: Answers, items: Mapping[str, str]) -> list[Score]:
    """Total and class. `items` names the item of `level` and of each part in PARTS.

    Class: 0–6 stable, 7–12 potentially unstable, 13–18 unstable.
    """
    level = answers.get(items["level"])
    points = [location(level) if isinstance(level, str) else None]
    for part, table in PARTS.items():
        answer = answers.get(items[part])
        points.append(table.get(answer) if isinstance(answer, str) else None)
    if any(point is None for point in points):
        return [Score("total", None, "missing_answer"), Score("class", None, "missing_answer")]
    total = sum(point for point in points if point is not None)
    stability = "stable" if total <= 6 else "potentially_unstable" if total <= 12 else "unstable"
    return [Score("total", Fraction(total)), Score("class", stability)]
