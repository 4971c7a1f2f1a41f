"""A million random visits, and every anchor from 2024 to 2035, against Julian day numbers; needs no minutes."""

import itertools
import random

from tests.visits.oracle import FIRST, LAST, cases, differences, julian
from trialsite.protocol.offsets import Offset

CASES = 1_000_000


def main(minutes: float) -> int:
    """1 where rules and oracle disagree, else 0."""
    wrong: list[object] = []
    seed = random.SystemRandom().randrange(2**32)
    for case in itertools.islice(cases(random.Random(seed)), CASES):
        wrong += differences(*case)
    anchors = range(julian(*FIRST), julian(*LAST) + 1)
    offsets = [Offset(count, "months") for count in range(-12, 37)] + [
        Offset(count, "weeks") for count in range(53)
    ]
    for number in anchors:
        for offset in offsets:
            wrong += differences(number, offset, 3, 5)
    print(
        f"windows: {CASES:,} random visits (seed {seed}), {len(anchors):,} anchors with {len(offsets)} offsets each:"
        f" {len(wrong)} differences"
    )
    for one in wrong[:10]:
        print(one)
    return int(bool(wrong))
