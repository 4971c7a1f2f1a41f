"""What a design does in the user's own trial: imbalance and correct guesses over many simulated trials, at once.

All trials advance together, one participant after another, as arrays; 1:1. Nothing here touches a real list.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from randomization.rules.drbg import HmacDrbg

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]
Progress = Callable[[float], None]

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
    """A design that is not known."""


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
    """One line of the table. D is count of A − count of B; strata figures are of the worst stratum of each trial."""

    design: str
    sd: float
    ten_or_more: float
    stratum_mean: float
    stratum_p95: float
    stratum_max: int
    correct: float


class _Procedure(Protocol):
    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        """Who gets A: for each trial its newcomer's stratum, that stratum's lead of A, and a number below 1."""


class _Complete:
    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        return coins < 0.5


class _BigStick:
    def __init__(self, bound: int) -> None:
        self._bound = bound

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        return np.where(np.abs(lead) >= self._bound, lead < 0, coins < 0.5)


class _Blocks:
    """A random order, drawn one by one: A with the share of A among what is left of the block."""

    def __init__(self, sizes: Sequence[int], trials: int, strata: int, source: np.random.Generator) -> None:
        self._halves = np.array(sizes, dtype=np.int64) // 2
        self._left = np.zeros((2, trials, strata), dtype=np.int64)
        self._trials = np.arange(trials)
        self._source = source

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        left = self._left[:, self._trials, strata]
        ended = left.sum(axis=0) == 0
        left[:, ended] = self._source.choice(self._halves, size=int(ended.sum()))
        first: Truths = coins * left.sum(axis=0) < left[0]
        left[0] -= first
        left[1] -= ~first
        self._left[:, self._trials, strata] = left
        return first


class _Minimisation:
    """Pocock and Simon over the margins, all weights 1."""

    def __init__(self, probability: float, trials: int, cells: Numbers) -> None:
        self._probability = probability
        self._cells = cells
        self._leads = np.zeros((cells.shape[1], trials, int(cells.max()) + 1), dtype=np.int64)
        self._trials = np.arange(trials)

    def arms(self, strata: Numbers, lead: Numbers, coins: NDArray[np.float64]) -> Truths:
        levels = self._cells[strata]
        leads = np.stack(
            [self._leads[factor, self._trials, levels[:, factor]] for factor in range(levels.shape[1])]
        )
        gain = (np.abs(leads + 1) - np.abs(leads - 1)).sum(axis=0)
        chance = np.where(gain == 0, 0.5, np.where(gain < 0, self._probability, 1 - self._probability))
        first = coins < chance
        for factor in range(levels.shape[1]):
            self._leads[factor, self._trials, levels[:, factor]] += np.where(first, 1, -1)
        return first


def simulate(
    design: str, population: Population, *, trials: int, seed: int, progress: Progress = lambda _: None
) -> Row:
    """One line of the table, by `trials` trials; `progress` hears the share that is done. Raises BadDesign."""
    # Seeds of the simulator have nothing to do with those of lists.
    source = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=_key_of(design)))
    cells = population.cells()
    procedure = _procedure(design, trials, cells, source)
    comers = source.choice(len(cells), size=(population.participants, trials), p=population.chances())
    leads = np.zeros((trials, len(cells)), dtype=np.int64)
    rows, right = np.arange(trials), 0.0
    for number, strata in enumerate(comers, start=1):
        lead = leads[rows, strata]
        first = procedure.arms(strata, lead, source.random(trials))
        right += float(np.where(lead == 0, 0.5, (lead < 0) == first).sum())
        leads[rows, strata] += np.where(first, 1, -1)
        progress(number / population.participants)
    difference, worst = leads.sum(axis=1), np.abs(leads).max(axis=1)
    return Row(
        design=design,
        sd=float(difference.std()),
        ten_or_more=float((np.abs(difference) >= 10).mean()),
        stratum_mean=float(worst.mean()),
        stratum_p95=float(np.percentile(worst, 95)),
        stratum_max=int(worst.max()),
        correct=right / (trials * population.participants),
    )


def _key_of(design: str) -> tuple[int, ...]:
    return tuple(HmacDrbg(design.encode()).generate(4))


def _procedure(design: str, trials: int, cells: Numbers, source: np.random.Generator) -> _Procedure:
    name, _, numbers = design.partition(":")
    try:
        if name == "complete" and not numbers:
            return _Complete()
        if name == "blocks":
            sizes = [int(size) for size in numbers.split(",")]
            if all(size >= 2 and size % 2 == 0 for size in sizes):
                return _Blocks(sizes, trials, len(cells), source)
        if name == "big_stick" and int(numbers) >= 1:
            return _BigStick(int(numbers))
        if name == "minimisation" and 0.5 < float(numbers) <= 1:
            return _Minimisation(float(numbers), trials, cells)
    except ValueError as error:
        raise BadDesign(design) from error
    raise BadDesign(design)


def table(
    designs: Sequence[str],
    population: Population,
    *,
    trials: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> list[Row]:
    """The table for several designs."""
    return [
        simulate(
            design,
            population,
            trials=trials,
            seed=seed,
            progress=lambda share, place=place: progress((place + share) / len(designs)),  # type: ignore[misc]
        )
        for place, design in enumerate(designs)
    ]


def figure(rows: Sequence[Row], population: Population, *, trials: int) -> dict[str, Any]:
    """What the figure's template needs: each design as a dot, further left and lower being better."""
    width, height, left, top = 640, 400, 90, 80
    most = max(row.sd for row in rows) * 1.15 or 1.0
    low, high = 0.48, max(0.72, *(row.correct for row in rows)) + 0.02

    def across(sd: float) -> float:
        return round(left + width * sd / most, 1)

    def up(share: float) -> float:
        return round(top + height - height * (share - low) / (high - low), 1)

    dots: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: row.correct):
        dot = {"x": across(row.sd), "y": up(row.correct), "row": row, "dx": 11, "dy": 4, "anchor": "start"}
        # A label that would lie over the one below goes to the other side.
        if (
            dots
            and dots[-1]["dx"] > 0
            and abs(dots[-1]["y"] - dot["y"]) < 16
            and abs(dots[-1]["x"] - dot["x"]) < 110
        ):
            dot |= {"dx": -11, "anchor": "end"}
        dots.append(dot)
    return {
        "trials": trials,
        "participants": population.participants,
        "left": left,
        "top": top,
        "right": left + width,
        "bottom": top + height,
        "across": [{"at": across(most * step / 5), "label": f"{most * step / 5:.1f}"} for step in range(6)],
        "up": [{"at": up(share / 100), "label": f"{share} %"} for share in range(50, int(high * 100) + 1, 5)],
        "dots": dots,
    }
