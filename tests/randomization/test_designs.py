"""Choosing on evidence: exact figures, and simulated ones beside the reference table."""

import time
import xml.etree.ElementTree as ET
from io import StringIO
from itertools import combinations
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from randomization import simulation
from randomization.rules import exact, minimisation
from randomization.simulation import BadDesign, Population
from trialsite.console.pages import designs
from trialsite.protocol.models import ProtocolVersion

TRIAL = Population(120, ((50.0, 30.0, 20.0), (50.0, 50.0)))
# n = 120, hospitals 50/30/20 %, one factor 50/50: SD(D), rate of correct guesses, mean of the worst stratum.
REFERENCE = {
    "complete": (10.96, 0.500, 7.56),
    "blocks:4": (2.23, 0.699, 1.40),
    "blocks:2,4": (2.09, 0.714, 1.27),
    "blocks:4,6": (2.49, 0.683, 1.60),
    "blocks:2,4,6": (2.37, 0.693, 1.52),
    "blocks:4,6,8": (2.73, 0.669, 1.78),
    "big_stick:3": (4.39, 0.570, 2.66),
    "big_stick:2": (3.02, 0.615, 1.82),
    "minimisation:0.8": (1.84, 0.572, 3.68),
}


@pytest.mark.parametrize("design", REFERENCE)
def test_the_simulator_reproduces_the_reference_table(design):
    began = time.process_time()
    row = simulation.simulate(design, TRIAL, trials=10_000, seed=1)
    assert time.process_time() - began < 5, "a user waits"
    sd, rate, stratum = REFERENCE[design]
    assert row.sd == pytest.approx(sd, rel=0.03)
    assert row.correct == pytest.approx(rate, abs=0.003)
    assert row.stratum_mean == pytest.approx(stratum, rel=0.03)


@pytest.mark.parametrize(
    ("design", "figures"),
    [("blocks:4,6", exact.permuted_blocks([4, 6], 30)), ("big_stick:2", exact.big_stick(2, 30))],
)
def test_simulated_and_exact_figures_agree(design, figures):
    row = simulation.simulate(design, Population(30, ((1.0,),)), trials=20_000, seed=3)
    assert row.correct == pytest.approx(float(figures.correct), abs=0.003)
    assert row.sd**2 == pytest.approx(float(figures.variance), rel=0.04)


def test_the_same_seed_gives_the_same_table_and_another_seed_another():
    first, again, other = (
        simulation.table(["complete", "minimisation:0.8"], TRIAL, trials=50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    "design",
    [
        "coin",
        "",
        "blocks:",
        "blocks:3",
        "blocks:4,x",
        "blocks:0",
        "big_stick:0",
        "big_stick:",
        "complete:2",
        "minimisation:0.5",
        "minimisation:1.1",
        "minimisation:nan",
        "minimisation:p",
    ],
)
def test_an_unknown_design_is_refused(design):
    with pytest.raises(BadDesign):
        simulation.simulate(design, TRIAL, trials=2, seed=1)


def run(*arguments):
    out = StringIO()
    call_command("simulate_randomization", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_and_draws_the_table_for_the_users_own_trial(tmp_path):
    picture = tmp_path / "designs.svg"
    printed = run(
        "--trials", "200", "--sites", "60/40", "--factor", "30/70", "--exact", "20", "--out", str(picture)
    )
    for design in simulation.DEFAULT:
        assert f"\n{design}" in printed
    assert "correct guesses 0.685156   Var(D) 0.900000" in printed
    drawn = ET.parse(picture).getroot()  # noqa: S314 -- made here
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert set(simulation.DEFAULT) <= set(texts)
    assert "120 participants, 200 simulated trials of each design; lower left is better" in texts


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sites", "50/x"],
        ["--sites", "50/-1"],
        ["--sites", "nan"],
        ["--trials", "0"],
        ["--participants", "-3"],
        ["--design", "coin"],
        ["--ratio", "2:0"],
        ["--ratio", "2:1", "--design", "big_stick:3"],
        ["--trials", "5", "--out", "/nowhere/at/all.svg"],
    ],
)
def test_bad_input_to_the_command_is_named(arguments):
    with pytest.raises((CommandError, SystemExit)):
        run("--trials", "5", *arguments)


def test_the_progress_bar_is_drawn_on_a_terminal_only(monkeypatch):
    class Terminal(StringIO):
        def isatty(self):
            return True

    for terminal, wanted in ((Terminal(), True), (StringIO(), False)):
        monkeypatch.setattr("sys.stderr", terminal)
        call_command("simulate_randomization", "--trials", "5", stdout=StringIO(), stderr=terminal)
        assert ("[########################################] 100%" in terminal.getvalue()) is wanted


def test_unequal_blocks_are_guessed_as_counted_by_hand():
    """AAB, ABA, BAA: 2, 3 and 2 of 3 are guessed, A first as the larger arm. Complete: the variance of a binomial."""
    row = simulation.simulate("blocks:3", Population(30, ((1.0,),)), trials=4000, seed=5, ratio=(2, 1))
    assert row.correct == pytest.approx(7 / 9, abs=0.003)
    assert (row.sd, row.stratum_max) == (0, 0)
    row = simulation.simulate("complete", TRIAL, trials=4000, seed=5, ratio=(1, 2))
    assert row.sd == pytest.approx(2 * (120 * 2 / 9) ** 0.5, rel=0.03)


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (1, 3)])
def test_the_simulated_coin_of_minimisation_is_the_one_that_allocates(ratio):
    cells = Population(1, ((1.0,), (1.0, 1.0))).cells()
    procedure = simulation._Minimisation(0.8, ratio, 3, cells)
    wanted = [minimisation.probability_of_first(score, 800, ratio) for score in ((0, 1), (1, 1), (1, 0))]
    assert list(procedure._chances) == pytest.approx([float(chance) for chance in wanted])
    row = simulation.simulate("minimisation:0.8", TRIAL, trials=400, seed=2, ratio=ratio)
    assert row.sd < 4, "A keeps to its share"


@pytest.mark.django_db
def test_the_statisticians_page_shows_what_designs_do(statistician, sealed, monkeypatch):
    monkeypatch.setattr(designs, "TRIALS", 300)
    client = Client()
    client.force_login(statistician)
    page = "/admin/randomization/designs/"
    first = client.get(page).content.decode()
    version = ProtocolVersion.objects.current()
    assert version
    targets = "/".join(str(site.target) for site in version.definition.sites)
    assert f'value="{targets}"' in first
    assert "<svg" not in first.split('class="ts"')[1]
    asked: dict[str, Any] = {
        "participants": 60,
        "sites": "50/30/20",
        "factors": "50/50\n",
        "ratio": "2:1",
        "seed": 1,
    }
    shown = client.get(page, asked | {"designs": ""}).content.decode()
    assert "blocks of 6, 9</text>" in shown and "big stick" not in shown
    row = simulation.simulate("blocks:6", Population(60, TRIAL.shares), trials=300, seed=1, ratio=(2, 1))
    assert f"<td>{row.sd:.2f}</td>" in shown and f"<td>{row.correct:.3f}</td>" in shown
    for wrong, said in (
        ({"sites": "50/x"}, "Numbers from 0.001"),
        ({"sites": "1e308/1e308"}, "Numbers from 0.001"),
        ({"factors": "1e-320/1"}, "Numbers from 0.001"),
        ({"factors": "\n".join(["1/1/1/1"] * 4)}, "At most 100 strata"),
        ({"ratio": "2"}, "Two whole numbers"),
        ({"designs": "big_stick:3"}, "big_stick:3 is not known for this ratio"),
        ({"designs": "\n".join(f"blocks:{3 * n}" for n in range(1, 13))}, "At most 10 designs"),
        ({"participants": 100_000}, "500"),
    ):
        answer = client.get(page, asked | wrong)
        assert (answer.status_code, said in answer.content.decode()) == (422, True), wrong


@pytest.mark.parametrize("shares", [(60, 30, 30), (50, 30, 20), (1,), (45, 35, 20, 10, 5)])
def test_no_label_of_the_figure_lies_over_another(shares):
    population = Population(120, (shares,))
    rows = simulation.table(simulation.DEFAULT, population, trials=200, seed=1)
    dots = simulation.figure(rows, population, trials=200)["dots"]
    starts = []
    for dot in dots:
        long = 7 * len(dot["name"])
        starts.append((dot["x"] + dot["dx"] - (long if dot["dx"] < 0 else 0), dot["y"] + dot["dy"], long))
        assert dot["dx"] < 0 or starts[-1][0] + long < 780
    for (x, y, long), (other_x, other_y, other_long) in combinations(starts, 2):
        assert abs(y - other_y) >= 12 or x + long <= other_x or other_x + other_long <= x, (
            x,
            y,
            other_x,
            other_y,
        )
