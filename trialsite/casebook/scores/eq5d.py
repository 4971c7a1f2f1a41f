"""EQ-5D-5L: the health profile, and the index by a value set that the protocol brings along."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from trialsite.casebook.scores.kinds import Answers, Score, number


def profile(answers: Answers, items: Sequence[str]) -> Score:
    """The five levels as one word such as `21143`, in the order of `items`; no profile where an answer is missing.

    Source: EQ-5D-5L User Guide, EuroQol Research Foundation.
    """
    levels = [number(answers, item) for item in items]
    if any(level is None or level not in range(1, 6) for level in levels):
        return Score("profile", None, "missing_answer")
    return Score("profile", "".join(str(level) for level in levels))


def index(answers: Answers, items: Sequence[str], value_set: Mapping[str, Sequence[Fraction]]) -> Score:
    """The index by an additive value set: `{"constant": [c], item: [decrement of level 1 … 5]}`; 1 is full health.

    The sets themselves are published for each country and licensed; none is shipped.
    """
    levels = [number(answers, item) for item in items]
    if any(level is None or level not in range(1, 6) for level in levels):
        return Score("index", None, "missing_answer")
    lost = sum(
        (value_set[item][int(level) - 1] for item, level in zip(items, levels, strict=True) if level),
        Fraction(0),
    )
    return Score("index", value_set["constant"][0] - lost)
