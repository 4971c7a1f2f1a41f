"""Lists for two arms, whose draws do not depend on who comes. Arms are 0 (A) and 1 (B); `ratio` is A : B.

Sources: Rosenberger WF, Lachin JM, Randomization in Clinical Trials, 2nd ed., 2016, ch. 3; Soares JF, Wu CFJ,
Commun Stat Theory Methods 1983;12:2017–2034 (big stick).
"""

from collections.abc import Sequence

from randomization.rules.drbg import HmacDrbg


def permuted_blocks(
    source: HmacDrbg, sizes: Sequence[int], length: int, ratio: Sequence[int] = (1, 1)
) -> list[int]:
    """Blocks whose size is drawn anew each time; within a block Fisher–Yates from the top over A…AB…B."""
    arms: list[int] = []
    while len(arms) < length:
        size = sizes[source.below(len(sizes))]
        first = size * ratio[0] // sum(ratio)
        block = [0] * first + [1] * (size - first)
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


def complete(source: HmacDrbg, length: int, ratio: Sequence[int] = (1, 1)) -> list[int]:
    """Independent coins: 0 where a number below the ratio's sum lies below A's share."""
    return [0 if source.below(sum(ratio)) < ratio[0] else 1 for _ in range(length)]


def draws(source: HmacDrbg, length: int) -> list[bytes]:
    """32 bytes by one generate call each: what minimisation commits instead of arms."""
    return [source.generate(32) for _ in range(length)]
