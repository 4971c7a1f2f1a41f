"""What every algorithm takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

# The answer to an item: an exact number, a code, yes or no; None where it is missing, for whatever reason.
Answer = Fraction | str | bool | frozenset[str] | None
Answers = Mapping[str, Answer]
Reason = Literal["", "too_few_answers", "missing_answer", "not_in_table"]


@dataclass(frozen=True)
class Score:
    """One result: an exact number or a code; `value` is None where it cannot be computed, and `reason` says why."""

    name: str
    value: Fraction | str | None
    reason: Reason = ""


def number(answers: Answers, item: str) -> Fraction | None:
    """The numeric answer to `item`, or None. Codes that are whole numbers (`"3"`) count as numbers."""
    answer = answers.get(item)
    if isinstance(answer, bool) or answer is None:
        return None
    if isinstance(answer, str):
        return Fraction(answer) if answer.isdecimal() else None
    return answer if isinstance(answer, Fraction) else None
