"""Allocation under faults for as long as asked: runs of a minute, each with a seed of its own and other clients.

A run that found something is done again by `make campaign ONLY=randomization MINUTES=1 SEED=…`.
"""

import time
from collections import Counter

from tests.harness.run import left_out, listed, with_faults


def main(minutes: float, *, seed: int = 1) -> int:
    """Print each run and the sums; returns the number of violations. `seed` is the first run's."""
    ends = time.monotonic() + 60 * minutes
    faults: Counter[str] = Counter()
    idle: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    omitted: set[str] = set()
    violations = 0
    while time.monotonic() < ends:
        left = max(10.0, min(60.0, ends - time.monotonic()))
        report = with_faults(seed=seed, seconds=left, clients=(4, 8, 16, 32, 64)[seed % 5], participants=6000)
        print(report, flush=True)
        faults += report.faults
        idle += report.idle
        refused += report.refused
        omitted |= set(report.omitted)
        sums += Counter(
            runs=1,
            calls=report.calls,
            acknowledged=report.acknowledged,
            unanswered=report.unanswered,
            lost=report.lost,
            allocations=report.allocations,
        )
        violations += len(report.found)
        seed += 1
    print("in all:", ", ".join(f"{number} {name}" for name, number in sums.items()))
    print(f"faults that took effect: {faults.total()} ({listed(faults)})")
    print(f"faults without effect: {idle.total()} ({listed(idle)});{left_out(omitted)}")
    print(f"refused: {listed(refused)}")
    print(f"violations: {violations}")
    return violations
