"""Print and draw what each design would do in a trial like yours, so that the statistician chooses on evidence."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string

from randomization import simulation
from randomization.rules import exact
from randomization.simulation import BadDesign, Population, Row
from trialsite.staff.capabilities import HOST


def _shares(text: str) -> tuple[float, ...]:
    try:
        return simulation.shares_of(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r}: numbers from 0.001 to 1000000 with / between are needed, such as 50/30/20"
        ) from error


def _ratio(text: str) -> simulation.Ratio:
    try:
        return simulation.ratio_of(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r}: two whole numbers from 1 to 10 are needed, such as 2:1"
        ) from error


def _between(least: int, most: int) -> Any:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r}: a whole number from {least} to {most} is needed")
        return int(text)

    return number


class Command(BaseCommand):
    """Needs no database and touches no list."""

    capability = HOST
    help = "Simulate designs: imbalance and the rate of correct guesses."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--participants", type=_between(1, 10_000), default=120)
        parser.add_argument(
            "--sites",
            type=_shares,
            default=(50.0, 30.0, 20.0),
            help="the hospitals' shares, such as 50/30/20",
        )
        parser.add_argument(
            "--factor",
            type=_shares,
            action="append",
            default=[],
            help="the shares of a further factor's levels, such as 50/50; may be given several times",
        )
        parser.add_argument(
            "--design",
            action="append",
            default=[],
            help="complete, blocks:4,6, big_stick:3 or minimisation:0.8; several times; default: a usual choice",
        )
        parser.add_argument("--ratio", type=_ratio, default=(1, 1), help="of the arms, such as 2:1")
        parser.add_argument("--trials", type=_between(1, 1_000_000), default=10_000)
        parser.add_argument("--seed", type=_between(0, 2**63), default=1)
        parser.add_argument("--out", type=Path, help="draw the figure into this file (SVG)")
        parser.add_argument(
            "--exact", type=_between(1, 200), metavar="N", help="also the exact figures of one stratum of N"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        population = Population(options["participants"], (options["sites"], *options["factor"]))
        ratio = options["ratio"]
        designs = options["design"] or list(simulation.usual(ratio))
        trials = options["trials"]
        try:
            rows = simulation.table(
                designs,
                population,
                trials=trials,
                seed=options["seed"],
                ratio=ratio,
                progress=self._progress,
            )
        except BadDesign as error:
            raise CommandError(f"{error} is not known for this ratio: see --help") from error
        self._print(rows)
        if options["exact"] and ratio != (1, 1):
            self.stderr.write("Exact figures are for 1:1 alone.")
        elif options["exact"]:
            self._print_exact(designs, options["exact"])
        if options["out"]:
            picture = simulation.figure(rows, population, trials=trials)
            try:
                options["out"].write_text(
                    render_to_string("randomization/designs.svg", picture), encoding="utf-8"
                )
            except OSError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"Figure: {options['out']}")

    def _progress(self, share: float) -> None:
        """A bar on a terminal; nothing where the output goes to a file."""
        if sys.stderr.isatty():
            done = int(share * 40)
            self.stderr.write(
                f"\r[{'#' * done}{' ' * (40 - done)}] {share:4.0%}", ending="\r" if share < 1 else "\n"
            )
            self.stderr.flush()

    def _print(self, rows: Sequence[Row]) -> None:
        self.stdout.write(
            f"{'design':<18}{'SD(D)':>7}{'P(|D|>=10)':>12}{'worst stratum mean/p95/max':>28}{'correct guesses':>17}"
        )
        for row in rows:
            strata = f"{row.stratum_mean:.2f}/{row.stratum_p95:.3g}/{row.stratum_max:.3g}"
            self.stdout.write(
                f"{row.design:<18}{row.sd:>7.2f}{row.ten_or_more:>12.4f}{strata:>28}{row.correct:>17.3f}"
            )

    def _print_exact(self, designs: Sequence[str], length: int) -> None:
        self.stdout.write(f"Exact, one stratum of {length}:")
        for design in designs:
            name, _, numbers = design.partition(":")
            if name == "blocks":
                figures = exact.permuted_blocks([int(size) for size in numbers.split(",")], length)
            elif name == "big_stick":
                figures = exact.big_stick(int(numbers), length)
            elif name == "complete":
                figures = exact.complete(length)
            else:
                continue
            self.stdout.write(
                f"{design:<18}correct guesses {float(figures.correct):.6f}   Var(D) {float(figures.variance):.6f}"
            )
