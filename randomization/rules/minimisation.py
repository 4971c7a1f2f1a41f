"""Minimisation for two arms with a biased coin, 1:1 or unequal.

Sources: Pocock SJ, Simon R, Biometrics 1975;31:103–115 (the imbalance over the margins); Han B, Enas NH, McEntegart D,
Stat Med 2009;28:3329–3346 (the coin of an unequal allocation: the arm with the smaller share is preferred with
probability p, the other with 1 − (1 − p)·smaller/larger, so that the shares come out right whatever the factors do).
Everything is a whole number, so that every implementation decides alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

DRAWS: Final = 1 << 256
THOUSAND: Final = 1000

Levels = Mapping[str, str]


def scores(
    levels: Levels, earlier: Iterable[tuple[Levels, int]], weights: Mapping[str, int], ratio: Sequence[int]
) -> tuple[int, int]:
    """The imbalance that each arm would leave behind; the lower is better.

    For each factor, among the earlier allocations with the newcomer's level: |b·n(A) − a·n(B)| for the ratio a:b, with
    the newcomer counted in; times the factor's weight; summed. `earlier` yields (levels, arm 0 or 1).
    """
    counts = {factor: [0, 0] for factor in weights}
    for known, arm in earlier:
        for factor in weights:
            if known[factor] == levels[factor]:
                counts[factor][arm] += 1
    a, b = ratio
    sums = [0, 0]
    for factor, (first, second) in counts.items():
        lead = b * first - a * second
        sums[0] += weights[factor] * abs(lead + b)
        sums[1] += weights[factor] * abs(lead - a)
    return sums[0], sums[1]


def probability_of_first(score: Sequence[int], probability: int, ratio: Sequence[int]) -> Fraction:
    """The chance of arm 0; `probability` is that of the preferred arm, in thousandths.

    Where both arms would leave the same imbalance, the shares of the ratio decide.
    """
    a, b = ratio
    if score[0] == score[1]:
        return Fraction(a, a + b)
    other = Fraction(THOUSAND - probability, THOUSAND)
    if score[0] < score[1]:
        return 1 - other * min(Fraction(1), Fraction(b, a))
    return other * min(Fraction(1), Fraction(a, b))


def arm(draw: bytes, chance_of_first: Fraction) -> int:
    """Arm 0 where the 32-byte draw, read as a fraction of 2²⁵⁶, lies below the chance of arm 0; else arm 1."""
    if len(draw) != 32:
        raise ValueError("a draw has 32 bytes")
    below = int.from_bytes(draw, "big") * chance_of_first.denominator < chance_of_first.numerator * DRAWS
    return 0 if below else 1
