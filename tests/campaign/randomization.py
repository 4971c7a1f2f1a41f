"""Allocation under faults for as long as asked: runs of a minute, each with a seed of its own and other clients."""

import time
from collections import Counter

from tests.harness.run import with_faults


def main(minutes: float, *, first: int = 1) -> int:
    """Print each run and the sums; returns the number of violations. `first` is the first run's seed."""
    ends = time.monotonic() + 60 * minutes
    faults: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    violations, seed = 0, first
    while time.monotonic() < ends:
        left = max(10.0, min(60.0, ends - time.monotonic()))
        report = with_faults(seed=seed, seconds=left, clients=(4, 8, 16, 32, 64)[seed % 5], participants=6000)
        print(report, flush=True)
        faults += report.faults
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
    print("faults:", ", ".join(f"{number} {name}" for name, number in sorted(faults.items())))
    print(f"violations: {violations}")
    return violations
