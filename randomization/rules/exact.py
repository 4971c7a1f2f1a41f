"""What can be computed without chance: the correct guesses and the imbalance of a list in one stratum, 1:1.

The guesser follows the convergence strategy (Blackwell D, Hodges JL, Ann Math Stat 1957;28:449–460): the arm that
lags, and either with one half where none does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Figures:
    """Of `length` allocations: the share of correct guesses, and the variance of (count of A − count of B)."""

    length: int
    correct: Fraction
    variance: Fraction


def block(size: int) -> Fraction:
    """Expected correct guesses in one whole block of 2m: m + (4^m / C(2m, m) − 1) / 2 (Blackwell and Hodges)."""
    half = size // 2
    return half + (Fraction(4**half, comb(size, half)) - 1) / 2


def mixture(sizes: Sequence[int]) -> Fraction:
    """The long-run rate of correct guesses where each block's size is drawn anew, each size equally likely."""
    return sum(map(block, sizes), Fraction(0)) / sum(sizes)


@cache
def _begun(size: int, length: int) -> Fraction:
    """Expected correct guesses in the first `length` places of a block."""
    half, expected = size // 2, Fraction(0)
    for place in range(length):
        for firsts in range(max(0, place - half), min(half, place) + 1):
            seconds = place - firsts
            chance = Fraction(comb(half, firsts) * comb(half, seconds), comb(size, place))
            lagging_left = half - min(firsts, seconds)
            right = _HALF if firsts == seconds else Fraction(lagging_left, size - place)
            expected += chance * right
    return expected


def permuted_blocks(sizes: Sequence[int], length: int) -> Figures:
    """Exact figures for blocks whose sizes are drawn anew, cut at `length`."""
    correct, variance = [Fraction(0)], [Fraction(0)]
    for left in range(1, length + 1):
        guesses, spread = Fraction(0), Fraction(0)
        for size in sizes:
            if size <= left:
                guesses += block(size) + correct[left - size]
                spread += variance[left - size]
            else:
                guesses += _begun(size, left)
                spread += Fraction(left * (size - left), size - 1)
        correct.append(guesses / len(sizes))
        variance.append(spread / len(sizes))
    return Figures(length, correct[-1] / length, variance[-1])


def big_stick(bound: int, length: int) -> Figures:
    """Exact figures for the big stick: the chances of every lead, one allocation after another."""
    chances, correct = {0: Fraction(1)}, Fraction(0)
    for _ in range(length):
        following: dict[int, Fraction] = {}
        for lead, chance in chances.items():
            forced = abs(lead) == bound
            correct += chance if forced else chance / 2
            steps = {-1 if lead > 0 else 1: Fraction(1)} if forced else {1: _HALF, -1: _HALF}
            for step, share in steps.items():
                following[lead + step] = following.get(lead + step, Fraction(0)) + chance * share
        chances = following
    return Figures(
        length, correct / length, sum((chance * lead**2 for lead, chance in chances.items()), Fraction(0))
    )


def complete(length: int) -> Figures:
    """Exact figures for independent coins."""
    return Figures(length, _HALF, Fraction(length))
