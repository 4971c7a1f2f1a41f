"""Exact figures of designs beside those that were published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization.rules import exact


@pytest.mark.parametrize(("size", "rate"), [(2, 0.75), (4, 0.70833333), (6, 0.68333333), (8, 0.66607143)])
def test_whole_blocks_are_guessed_as_blackwell_and_hodges_say(size, rate):
    assert float(exact.block(size) / size) == pytest.approx(rate, abs=1e-6)
    assert exact.permuted_blocks([size], size).correct == exact.block(size) / size


@pytest.mark.parametrize(
    ("sizes", "rate"), [([2, 4], 0.72222222), ([4, 6], 0.69333333), ([2, 4, 6], 0.70277778)]
)
def test_mixtures_in_the_long_run(sizes, rate):
    assert float(exact.mixture(sizes)) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize(
    ("figures", "rate", "variance"),
    [
        (exact.permuted_blocks([4], 20), 0.708333, 0),
        (exact.permuted_blocks([4, 6], 20), 0.685156, 0.9),
        (exact.permuted_blocks([2, 4, 6], 20), 0.696550, 0.758606),
        (exact.big_stick(3, 20), 0.572222, 2.666664),
        (exact.complete(20), 0.5, 20),
    ],
)
def test_one_stratum_of_twenty(figures, rate, variance):
    assert float(figures.correct) == pytest.approx(rate, abs=1e-6)
    assert float(figures.variance) == pytest.approx(variance, abs=1e-6)


def test_the_published_figures_of_zhao_and_weng():
    """PMC3399213, Table IV, 100 participants in one stratum."""
    rates = {size: float(exact.permuted_blocks([size], 100).correct) for size in (4, 6, 8)}
    assert rates == pytest.approx({4: 0.709, 6: 0.680, 8: 0.662}, abs=0.0015)
    assert float(exact.permuted_blocks([6], 100).variance) ** 0.5 == pytest.approx(1.265, abs=5e-4)
    assert float(exact.big_stick(4, 100).correct) == pytest.approx(0.558, abs=1e-3)
    assert float(exact.big_stick(4, 100).variance) ** 0.5 == pytest.approx(2.449, abs=1e-3)


@given(st.lists(st.sampled_from([2, 4, 6, 8, 10]), min_size=1, max_size=3, unique=True), st.integers(1, 40))
def test_exact_figures_lie_where_they_must(sizes, length):
    figures = exact.permuted_blocks(sizes, length)
    assert 0.5 <= figures.correct <= 0.75 + 0.25 / length
    assert 0 <= figures.variance <= max(sizes) ** 2 / 4
    assert exact.big_stick(length, length).variance == exact.complete(length).variance
