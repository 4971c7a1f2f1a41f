"""What a design does in the user's own trial: imbalance and correct guesses over many simulated trials, at once.

All trials advance together, one participant after another, as arrays. Nothing here touches a real list. A lead is
b·n(A) − a·n(B) for the ratio a : b, which is n(A) − n(B) at 1:1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from randomization.rules.drbg import HmacDrbg

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]
Progress = Callable[[float], None]
Ratio = tuple[int, int]

LARGEST_BLOCK: Final = 100
# Shares are compared with each other: beyond this they are no shares, and sums of them no numbers.
LEAST_SHARE: Final = 0.001
MOST_SHARE: Final = 1_000_000
DEFAULT: Final = (
    "complete",
    "blocks:4",
    "blocks:2,4",
    "blocks:4,6",
    "blocks:2,4,6",
    "blocks:4,6,8",
    "big_stick:3",
    "big_stick:2",
    "minimisation:0.8",
)


class BadDesign(ValueError):
    """A design that is not known, or not for this ratio."""


def usual(ratio: Ratio = (1, 1)) -> tuple[str, ...]:
    """What is mostly weighed for this ratio: blocks of its multiples; the big stick at 1:1 alone."""
    unit = sum(ratio)
    if ratio == (1, 1):
        return DEFAULT
    return (
        "complete",
        f"blocks:{2 * unit}",
        f"blocks:{unit},{2 * unit}",
        f"blocks:{2 * unit},{3 * unit}",
        "minimisation:0.8",
    )


def shares_of(text: str) -> tuple[float, ...]:
    """The shares of a factor's levels, as in `50/30/20`, each from 0.001 to 1 000 000; raises ValueError."""
    shares = tuple(float(part) for part in text.split("/"))
    if not all(LEAST_SHARE <= share <= MOST_SHARE for share in shares):
        raise ValueError(text)
    return shares


def ratio_of(text: str) -> Ratio:
    """A : B, as in `2:1`, each from 1 to 10; raises ValueError."""
    first, second = (int(part) for part in text.split(":"))
    if not (1 <= first <= 10 and 1 <= second <= 10):
        raise ValueError(text)
    return first, second


@dataclass(frozen=True)
class Population:
    """`participants` per trial; the shares of the levels of each factor, the hospital first."""

    participants: int
    shares: tuple[tuple[float, ...], ...]

    def cells(self) -> Numbers:
        """One row for each stratum: the level of each factor."""
        return np.array(list(product(*(range(len(levels)) for levels in self.shares))), dtype=np.int64)

    def chances(self) -> NDArray[np.float64]:
        """The share of each stratum; factors are independent."""
        parts = [np.array(levels, dtype=float) / sum(levels) for levels in self.shares]
        return np.array([np.prod(cell) for cell in product(*parts)])


@dataclass(frozen=True)
class Row:
    """One line of the table; strata figures are of the worst stratum of each trial.

    D is how far A is ahead of its share, twice: at 1:1 the count of A − the count of B.
    """

    design: str
    sd: float
    ten_or_more: float
    stratum_mean: float
    stratum_p95: float
    stratum_max: float
    correct: float


class _Procedure(Protocol):
    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        """Who gets A: for each trial its newcomer's stratum, that stratum's lead of A, and a number below 1."""


class _Complete:
    def __init__(self, share: float) -> None:
        self._share = share

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        return coins < self._share


class _BigStick:
    """1:1 alone."""

    def __init__(self, bound: int) -> None:
        self._bound = bound

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        return np.where(np.abs(lead) >= self._bound, lead < 0, coins < 0.5)


class _Blocks:
    """A random order, drawn one by one: A with the share of A among what is left of the block."""

    def __init__(
        self, sizes: Sequence[int], ratio: Ratio, trials: int, strata: int, source: np.random.Generator
    ) -> None:
        self._times = np.array(sizes, dtype=np.int64) // sum(ratio)
        self._ratio = np.array(ratio, dtype=np.int64)[:, None]
        self._left = np.zeros((2, trials, strata), dtype=np.int64)
        self._trials = np.arange(trials)
        self._source = source

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        left = self._left[:, self._trials, strata]
        ended = left.sum(axis=0) == 0
        left[:, ended] = self._ratio * self._source.choice(self._times, size=int(ended.sum()))
        first: Truths = coins * left.sum(axis=0) < left[0]
        left[0] -= first
        left[1] -= ~first
        self._left[:, self._trials, strata] = left
        return first


class _Minimisation:
    """Pocock and Simon over the margins, all weights 1; the coin as in `rules.minimisation`."""

    def __init__(self, probability: float, ratio: Ratio, trials: int, cells: Numbers) -> None:
        self._a, self._b = ratio
        other = 1 - probability
        # Where A would leave less, the same, or more behind.
        self._chances = (
            1 - other * min(1.0, self._b / self._a),
            self._a / (self._a + self._b),
            other * min(1.0, self._a / self._b),
        )
        self._cells = cells
        self._leads = np.zeros((cells.shape[1], trials, int(cells.max()) + 1), dtype=np.int64)
        self._trials = np.arange(trials)

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        levels = self._cells[strata]
        leads = np.stack(
            [self._leads[factor, self._trials, levels[:, factor]] for factor in range(levels.shape[1])]
        )
        gain = (np.abs(leads + self._b) - np.abs(leads - self._a)).sum(axis=0)
        first: Truths = coins < np.choose(np.sign(gain) + 1, self._chances)
        for factor in range(levels.shape[1]):
            self._leads[factor, self._trials, levels[:, factor]] += np.where(first, self._b, -self._a)
        return first


def simulate(
    design: str,
    population: Population,
    *,
    trials: int,
    seed: int,
    ratio: Ratio = (1, 1),
    progress: Progress = lambda _: None,
) -> Row:
    """One line of the table, by `trials` trials; `progress` hears the share that is done. Raises BadDesign.

    A guess names the arm that lags behind its share in its own stratum; where none does, the larger arm, at 1:1 either.
    """
    # Seeds of the simulator have nothing to do with those of lists.
    source = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=_key_of(design)))
    cells = population.cells()
    procedure = _procedure(design, ratio, trials, cells, source)
    a, b = ratio
    unit = (a + b) / 2
    comers = source.choice(len(cells), size=(population.participants, trials), p=population.chances())
    leads = np.zeros((trials, len(cells)), dtype=np.int64)
    rows, right = np.arange(trials), 0.0
    for number, strata in enumerate(comers, start=1):
        lead = leads[rows, strata]
        first = procedure.arms(strata, lead, source.random(trials))
        level: Any = 0.5 if a == b else first == (a > b)
        right += float(np.where(lead == 0, level, (lead < 0) == first).sum())
        leads[rows, strata] += np.where(first, b, -a)
        progress(number / population.participants)
    difference, worst = leads.sum(axis=1) / unit, np.abs(leads).max(axis=1) / unit
    return Row(
        design=design,
        sd=float(difference.std()),
        ten_or_more=float((np.abs(difference) >= 10).mean()),
        stratum_mean=float(worst.mean()),
        stratum_p95=float(np.percentile(worst, 95)),
        stratum_max=float(worst.max()),
        correct=right / (trials * population.participants),
    )


def _key_of(design: str) -> tuple[int, ...]:
    return tuple(HmacDrbg(design.encode()).generate(4))


def _procedure(
    design: str, ratio: Ratio, trials: int, cells: Numbers, source: np.random.Generator
) -> _Procedure:
    name, _, numbers = design.partition(":")
    try:
        if name == "complete" and not numbers:
            return _Complete(ratio[0] / sum(ratio))
        if name == "blocks":
            sizes = [int(size) for size in numbers.split(",")]
            if all(sum(ratio) <= size <= LARGEST_BLOCK and size % sum(ratio) == 0 for size in sizes):
                return _Blocks(sizes, ratio, trials, len(cells), source)
        if name == "big_stick" and int(numbers) >= 1 and ratio == (1, 1):
            return _BigStick(int(numbers))
        if name == "minimisation" and 0.5 < float(numbers) <= 1:
            return _Minimisation(float(numbers), ratio, trials, cells)
    except ValueError as error:
        raise BadDesign(design) from error
    raise BadDesign(design)


def table(
    designs: Sequence[str],
    population: Population,
    *,
    trials: int,
    seed: int,
    ratio: Ratio = (1, 1),
    progress: Progress = lambda _: None,
) -> list[Row]:
    """The table for several designs."""
    return [
        simulate(
            design,
            population,
            trials=trials,
            seed=seed,
            ratio=ratio,
            progress=lambda share, place=place: progress((place + share) / len(designs)),  # type: ignore[misc]
        )
        for place, design in enumerate(designs)
    ]


_Box = tuple[float, float, float, float]
# Where a label may stand from its dot: beside it, then further off, up or down, at the end of a line.
_BESIDE: Final = [(11, 4), (-11, 4)]
_OFF: Final = [(dx, dy) for dy in (-9, 17, -22, 30, -35, 43, -48, 56) for dx in (50, -50)]


def _place_labels(dots: list[dict[str, Any]], left: float, right: float) -> None:
    """Give each label the nearest place between `left` and `right` where it lies over no dot and no other label."""
    taken = [(dot["x"] - 7, dot["y"] - 7, dot["x"] + 7, dot["y"] + 7) for dot in dots]
    for dot in dots:
        long = sum(7.5 if letter.isascii() else 13.5 for letter in dot["name"])
        for dx, dy in (*_BESIDE, *_OFF):
            start, foot = dot["x"] + dx - (long if dx < 0 else 0), dot["y"] + dy + 3
            box = (start, foot - 13, start + long, foot)
            if left <= start and start + long <= right and not any(_overlap(box, one) for one in taken):
                break
        taken.append(box)
        dot |= {"dx": dx, "dy": dy, "anchor": "start" if dx > 0 else "end", "off": (dx, dy) in _OFF}


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def figure(
    rows: Sequence[Row], population: Population, *, trials: int, words: Callable[[str], str] = str
) -> dict[str, Any]:
    """What the figure's template needs: each design as a dot, further left and lower being better.

    `words` names a design for the reader.
    """
    width, height, left, top = 640, 400, 90, 80
    most = max(row.sd for row in rows) * 1.15 or 1.0
    low = min(0.5, *(row.correct for row in rows)) - 0.02
    high = max(0.72, *(row.correct for row in rows)) + 0.02

    def across(sd: float) -> float:
        return round(left + width * sd / most, 1)

    def up(share: float) -> float:
        return round(top + height - height * (share - low) / (high - low), 1)

    dots: list[dict[str, Any]] = [
        {"x": across(row.sd), "y": up(row.correct), "name": words(row.design)}
        for row in sorted(rows, key=lambda row: row.correct)
    ]
    _place_labels(dots, left, left + width + 40)
    return {
        "trials": trials,
        "participants": population.participants,
        "left": left,
        "top": top,
        "right": left + width,
        "bottom": top + height,
        "across": [{"at": across(most * step / 5), "label": f"{most * step / 5:.1f}"} for step in range(6)],
        "up": [
            {"at": up(share / 100), "label": f"{share} %"}
            for share in range(5 * ceil(low * 20), int(high * 100) + 1, 5)
        ],
        "dots": dots,
    }
