"""Values of one item, hospital beside hospital, placed for an SVG template: a dot each, the soft range behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trialsite.console.quality import Plotted
from trialsite.protocol.definition import Item
from trialsite.protocol.expression import plain

_WIDTH, _HEIGHT, _LEFT, _TOP, _FOOT = 880, 320, 70, 14, 30
# Places beside each other within a hospital, so that equal values do not hide one another.
_BESIDE: Final = (0, 1, -1, 2, -2, 3, -3, 4, -4)


@dataclass(frozen=True)
class Dot:
    """A value at (x, y)."""

    x: float
    y: float
    plotted: Plotted
    text: str

    @property
    def points(self) -> str:
        """The corners of the triangle that marks a value outside."""
        return f"{self.x:.1f},{self.y - 6:.1f} {self.x - 6:.1f},{self.y + 5:.1f} {self.x + 6:.1f},{self.y + 5:.1f}"


def figure(item: Item, values: Sequence[Plotted], sites: Sequence[str]) -> dict[str, Any]:
    """Dots, the band of the soft range, ticks as (y, text) and columns as (x, hospital, outside, number)."""
    ends = [float(end) for end in ((item.soft.low, item.soft.high) if item.soft else ()) if end is not None]
    numbers = [float(one.value) for one in values] + ends
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    margin = (high - low or abs(high) or 1.0) * 0.06
    low, high = low - margin, high + margin
    floor = _HEIGHT - _FOOT

    def y_of(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (floor - _TOP), 1)

    width = (_WIDTH - _LEFT) / max(len(sites), 1)
    middle = {site: _LEFT + width * (place + 0.5) for place, site in enumerate(sites)}
    step = min(9.0, width / 12)
    dots = [
        Dot(
            round(middle[one.site] + step * _BESIDE[place % len(_BESIDE)], 1),
            y_of(float(one.value)),
            one,
            f"{one.participant} {one.event}: {_shown(one.value)} {item.unit or ''}".strip(),
        )
        for place, one in enumerate(values)
        if one.site in middle
    ]
    soft_low = float(item.soft.low) if item.soft and item.soft.low is not None else low
    soft_high = float(item.soft.high) if item.soft and item.soft.high is not None else high
    return {
        "dots": dots,
        "band": (y_of(soft_high), round(y_of(soft_low) - y_of(soft_high), 1)),
        "ticks": [(y_of(value), f"{value:g}") for value in _ticks(low, high)],
        "columns": [
            (
                round(middle[site], 1),
                site,
                sum(one.outside for one in values if one.site == site),
                sum(one.site == site for one in values),
            )
            for site in sites
        ],
        "left": _LEFT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "plain_width": _WIDTH - _LEFT,
        "floor": floor,
        "unit": item.unit or "",
    }


def _shown(value: Any) -> str:
    text = plain(value)
    return text if "/" not in text else f"{float(value):.3g}"


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers (1, 2 or 5 times a power of ten apart) between `low` and `high`."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    first = math.ceil(low / step)
    return [round(step * place, 10) for place in range(first, math.floor(high / step) + 1)]
