"""Scales that are means or sums of a questionnaire's items."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from trialsite.casebook.scores.kinds import Answers, Score, number

Kind = Literal["mean", "share", "function", "symptom"]


@dataclass(frozen=True)
class Scale:
    """One scale of an instrument.

    `span` is the difference between the highest and lowest answer of an item, `lowest` its lowest answer, `least` how
    many items must be answered. `reversed_items` are worded the other way round: their answer is mirrored first.
    """

    name: str
    items: tuple[str, ...]
    kind: Kind
    span: int
    least: int
    lowest: int = 0
    reversed_items: tuple[str, ...] = ()


def answered(scale: Scale, answers: Answers) -> list[Fraction]:
    """The answers given to the scale's items, mirrored where the wording is reversed."""
    found = []
    for item in scale.items:
        value = number(answers, item)
        if value is not None:
            found.append(2 * scale.lowest + scale.span - value if item in scale.reversed_items else value)
    return found


def score(scale: Scale, answers: Answers) -> Score:
    """The score of one scale.

    `mean`: the mean of the answered items (BPI: Cleeland, The Brief Pain Inventory User Guide, 2009: severity from all
    four, interference from seven if more than half are answered).
    `share`: 100 × sum / (span × answered) (ODI: Fairbank & Pynsent, Spine 2000; 25: 2940–2953).
    `symptom`: 100 × (mean − lowest) / span, `function`: 100 × (1 − (mean − lowest) / span), if at least half of the
    items are answered (EORTC QLQ-C30 Scoring Manual, 3rd edition, Fayers et al. 2001). Of the QLQ-BM22 no public source
    says which items are mirrored and which scales are `function`: its form says what it takes, and that it is open.
    """
    values = answered(scale, answers)
    if len(values) < max(scale.least, 1):
        return Score(scale.name, None, "too_few_answers")
    mean = sum(values, Fraction(0)) / len(values)
    part = (mean - scale.lowest) / scale.span
    match scale.kind:
        case "mean":
            return Score(scale.name, mean)
        case "function":
            return Score(scale.name, 100 * (1 - part))
        case "share" | "symptom":
            return Score(scale.name, 100 * part)


def at_least_half(items: Sequence[str]) -> int:
    """How many of `items` must be answered where at least half is the rule: 3 of 5, 1 of 2, 1 of 1."""
    return (len(items) + 1) // 2
