"""How the benchmark measures, and what every measure is given."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import Cluster


@dataclass(frozen=True)
class Stage:
    """An embedded server with fsync, a database `name` on it, and a hospital with operated participants `people`."""

    cluster: "Cluster"
    name: str
    coordinator: Any
    site: Any
    people: list[Any]


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds that `work` takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def report(name: str, ours: list[float], bare: list[float]) -> None:
    """Medians of both, and their ratio."""
    mine, theirs = statistics.median(ours), statistics.median(bare)
    print(f"{name:<34}{mine:9.2f} ms {theirs:9.2f} ms bare {mine / theirs:8.1f}×   (medians of {len(ours)})")
