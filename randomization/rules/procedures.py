"""Restricted randomization for two arms, 1:1. Arms are 0 (A) and 1 (B).

Sources: Rosenberger WF, Lachin JM, Randomization in Clinical Trials, 2nd ed., 2016, ch. 3; Soares JF, Wu CFJ,
Commun Stat Theory Methods 1983;12:2017–2034 (big stick).
"""

from collections.abc import Sequence

from randomization.rules.drbg import HmacDrbg


def permuted_blocks(source: HmacDrbg, sizes: Sequence[int], length: int) -> list[int]:
    """Blocks whose size is drawn anew each time; within a block Fisher–Yates from the top over A…AB…B."""
    arms: list[int] = []
    while len(arms) < length:
        size = sizes[source.below(len(sizes))]
        block = [0] * (size // 2) + [1] * (size // 2)
        for top in range(size - 1, 0, -1):
            other = source.below(top + 1)
            block[top], block[other] = block[other], block[top]
        arms += block
    return arms[:length]


def big_stick(source: HmacDrbg, bound: int, length: int) -> list[int]:
    """Fair coins as long as the imbalance stays below `bound`; at the bound the lagging arm, without a draw."""
    arms: list[int] = []
    lead = 0
    for _ in range(length):
        if abs(lead) >= bound:
            arm = 1 if lead > 0 else 0
        else:
            arm = source.below(2)
        arms.append(arm)
        lead += 1 if arm == 0 else -1
    return arms


def complete(source: HmacDrbg, length: int) -> list[int]:
    """Fair coins."""
    return [source.below(2) for _ in range(length)]
