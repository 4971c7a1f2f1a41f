"""The generator and the three procedures: published vectors and exact properties."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization.rules import procedures, sealing
from randomization.rules.drbg import HmacDrbg
from tests.randomization import independent

SIZES = st.lists(st.integers(2, 12).map(lambda half: 2 * half), min_size=1, max_size=5, unique=True)
SEEDS = st.binary(min_size=32, max_size=32)
VECTOR_SEED = bytes(range(32))


# From the reference: entropy, nonce, personalization, first bytes.
@pytest.mark.parametrize(
    ("personalization", "expected"),
    [
        (b"my drbg", "018ec5f8e08c41e5ac974eb129ac297c5388ee1864324fa13d9b15cf98d9a157"),
        (b"", "ed5d61ecf0ef38258e62f03bbb49f19f2cd07ba5145a840d83b134d5963b3633"),
    ],
)
def test_the_published_vectors_of_the_generator(personalization, expected):
    source = HmacDrbg(b"totally random0123456789", b"secret nonce", personalization)
    assert source.generate(32).hex() == expected


@pytest.mark.parametrize(
    ("environment", "method", "expected"),
    [
        ("prod", "big stick 3", "BBBABAAAABBBBAABAAAAABABABBBBAAABBABBAAA"),
        ("prod", "blocks of 4 and 6", "BAABABABBAABAABBABBABAAABBAAABBBABABAABB"),
        ("uat", "big stick 3", "BBAAABAAABABBABBBBABAAABBBAAABAAABBBBABB"),
    ],
)
def test_the_list_vectors(environment, method, expected):
    place = sealing.personalization("DEMO", environment, "site=1;nprs=0")
    assert place == f"EDCLITE-RAND-1\x1fDEMO\x1f{environment}\x1fsite=1;nprs=0".encode()
    source = HmacDrbg(VECTOR_SEED, b"", place)
    if method == "big stick 3":
        drawn = procedures.big_stick(source, 3, 40)
    else:
        drawn = procedures.permuted_blocks(source, (4, 6), 40)
    assert "".join("AB"[arm] for arm in drawn) == expected


def test_nonce_and_personalization_are_empty_where_none_is_given():
    assert HmacDrbg(VECTOR_SEED).generate(40) == HmacDrbg(VECTOR_SEED, b"", b"").generate(40)
    assert HmacDrbg(VECTOR_SEED, b"n").generate(40) == HmacDrbg(VECTOR_SEED, b"n", b"").generate(40)


@given(SEEDS, st.binary(max_size=80))
def test_a_second_implementation_draws_the_same_bytes(entropy, personalization):
    source = HmacDrbg(entropy, b"", personalization)
    other = independent.random_bytes(entropy, personalization)
    assert [source.byte() for _ in range(100)] == list(itertools.islice(other, 100))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 100, 255, 256])
def test_a_number_below_n_is_a_byte_that_was_not_thrown_away(n):
    class Counting(HmacDrbg):
        """Gives every byte once, from 0 to 255."""

        def __init__(self):
            self.bytes = iter(range(256))

        def byte(self):
            return next(self.bytes)

    source, given_out = Counting(), []
    with pytest.raises(StopIteration):
        while True:
            given_out.append(source.below(n))
    assert Counter(given_out) == dict.fromkeys(range(n), 256 // n), "each number is equally likely"


@pytest.mark.parametrize("n", [0, -1, 257])
def test_below_refuses_what_one_byte_cannot_give(n):
    with pytest.raises(ValueError, match="1 to 256"):
        HmacDrbg(VECTOR_SEED).below(n)


class Recorder(HmacDrbg):
    """Remembers every draw below n."""

    def __init__(self, entropy):
        super().__init__(entropy)
        self.draws = []

    def below(self, n):
        drawn = super().below(n)
        self.draws.append((n, drawn))
        return drawn


def sizes_drawn(draws, sizes):
    """The block sizes that the recorded draws chose: one draw for the size, then size − 1 for the order."""
    rest, found = list(draws), []
    while rest:
        n, place = rest.pop(0)
        assert n == len(sizes)
        size = sizes[place]
        assert [n for n, _ in rest[: size - 1]] == list(range(size, 1, -1)), "Fisher–Yates from the top"
        del rest[: size - 1]
        found.append(size)
    return found


@given(SEEDS, SIZES, st.integers(1, 150))
def test_every_block_is_balanced_at_its_end_and_no_prefix_strays_further_than_half_a_block(
    entropy, sizes, length
):
    source = Recorder(entropy)
    arms = procedures.permuted_blocks(source, sizes, length)
    assert len(arms) == length
    assert set(arms) <= {0, 1}
    ends = list(itertools.accumulate(sizes_drawn(source.draws, sizes)))
    assert ends[-1] >= length > (ends[-2] if len(ends) > 1 else 0), "not a block more than needed"
    for end in ends:
        assert end > length or 2 * sum(arms[:end]) == end
    lead = [2 * sum(arms[:place]) - place for place in range(length + 1)]
    assert max(map(abs, lead)) <= max(sizes) // 2


@given(SEEDS, st.integers(1, 50), st.integers(1, 150))
def test_the_big_stick_never_leans_further_than_its_bound_and_draws_nothing_there(entropy, bound, length):
    source = Recorder(entropy)
    arms = procedures.big_stick(source, bound, length)
    lead = [place - 2 * sum(arms[:place]) for place in range(length + 1)]
    assert len(arms) == length
    assert max(map(abs, lead)) <= bound
    assert len(source.draws) == sum(abs(ahead) < bound for ahead in lead[:-1])


@given(SEEDS, st.integers(0, 150), st.integers(0, 150))
@pytest.mark.parametrize(
    "draw",
    [
        lambda source, length: procedures.permuted_blocks(source, (4, 6), length),
        lambda source, length: procedures.big_stick(source, 3, length),
        procedures.complete,
    ],
    ids=["blocks", "big stick", "complete"],
)
def test_a_longer_list_begins_with_the_shorter_one(draw, entropy, one, other):
    short, long = sorted((one, other))
    assert draw(HmacDrbg(entropy), long)[:short] == draw(HmacDrbg(entropy), short)
