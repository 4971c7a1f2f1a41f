"""Lists in the long run: never shared, every arrangement equally likely, guessed as often as the reference says."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings

from randomization.rules import procedures, sealing
from randomization.rules.drbg import HmacDrbg
from tests.randomization.test_generator import SEEDS

SEED = bytes(range(32))


@settings(deadline=None)
@given(SEEDS)
def test_environments_trials_and_strata_never_share_a_list(entropy):
    places = list(itertools.product(("T1", "T2"), ("demo", "training", "prod"), ("site=A", "site=B")))
    lists = {
        tuple(procedures.complete(HmacDrbg(entropy, b"", sealing.personalization(*place)), 256))
        for place in places
    }
    assert len(lists) == len(places)


def chi_square(counts, total, cells):
    expected = total / cells
    assert len(counts) == cells
    return sum((count - expected) ** 2 / expected for count in counts.values())


# The 99.9 % points of χ² with 5 and with 19 degrees of freedom. The seed is fixed, so the answer is too.
@pytest.mark.parametrize(("size", "cells", "limit"), [(4, 6, 20.515), (6, 20, 43.820)])
def test_every_arrangement_of_a_block_is_equally_likely(size, cells, limit):
    blocks = 60_000
    arms = procedures.permuted_blocks(HmacDrbg(SEED, b"", b"chi-square"), [size], size * blocks)
    counts = Counter(tuple(arms[place : place + size]) for place in range(0, len(arms), size))
    assert chi_square(counts, blocks, cells) < limit


def guessed(arms):
    """How often the convergence strategy is right: guess the arm that lags, count one half where none does."""
    right, lead = 0.0, 0
    for arm in arms:
        right += 0.5 if lead == 0 else float(arm == (lead > 0))
        lead += 1 if arm == 0 else -1
    return right


@pytest.mark.parametrize(
    ("draw", "exact"),
    [
        (lambda source: procedures.permuted_blocks(source, [4], 20), 0.708333),
        (lambda source: procedures.permuted_blocks(source, [4, 6], 20), 0.685156),
        (lambda source: procedures.permuted_blocks(source, [2, 4, 6], 20), 0.696550),
        (lambda source: procedures.big_stick(source, 3, 20), 0.572222),
    ],
    ids=["4", "4 and 6", "2, 4 and 6", "big stick 3"],
)
def test_guessing_succeeds_as_often_as_the_reference_says(draw, exact):
    source, lists = HmacDrbg(SEED, b"", b"guessing"), 4000
    rate = sum(guessed(draw(source)) for _ in range(lists)) / (20 * lists)
    assert rate == pytest.approx(exact, abs=0.006)
