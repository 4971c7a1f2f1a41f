"""Response of pain to treatment at the index site.

Source: Chow et al., International consensus on palliative radiotherapy endpoints, Int J Radiat Oncol Biol Phys 2012;
82: 1730–1737. Where the consensus is silent the reading is ours and says so.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

VERSION: Final = "pain-response-1"
Response = Literal["complete", "partial", "progression", "indeterminate", "not_evaluable"]


@dataclass(frozen=True)
class Thresholds:
    """What counts as a change: `pain` in points of the worst NPRS, `analgesics` as a share of the baseline dose."""

    pain: Fraction = Fraction(2)
    analgesics: Fraction = Fraction(1, 4)


@dataclass(frozen=True)
class Moment:
    """Worst pain at the index site (0–10) and the daily oral morphine equivalent (mg); None where not recorded."""

    pain: Fraction | None
    omed: Fraction | None


def pain_response(baseline: Moment, now: Moment, limits: Thresholds = Thresholds()) -> Response:
    """The response at `now` against `baseline`.

    Complete: no pain, and no rise of analgesics. Partial: pain down by the threshold without any rise of analgesics, or
    analgesics down by their threshold without any rise of pain. Progression: pain up by the threshold with analgesics
    not down by theirs, or analgesics up by theirs with pain not down by its own (our reading where both rise).
    Otherwise indeterminate. From a baseline of no analgesics any dose is a rise beyond the threshold. With a missing
    input it is not evaluable.
    """
    if baseline.pain is None or baseline.omed is None or now.pain is None or now.omed is None:
        return "not_evaluable"
    pain = now.pain - baseline.pain
    dose = now.omed - baseline.omed
    step = limits.analgesics * baseline.omed
    dose_up = dose > 0 and dose >= step
    dose_down = dose < 0 and -dose >= step
    if now.pain == 0 and dose <= 0:
        return "complete"
    if (pain <= -limits.pain and dose <= 0) or (dose_down and pain <= 0):
        return "partial"
    if (pain >= limits.pain and not dose_down) or (dose_up and pain > -limits.pain):
        return "progression"
    return "indeterminate"
