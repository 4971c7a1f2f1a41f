"""The numbers of the worked example in docs/randomization-format.md are those that the code gives."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from randomization.rules import factors, ledger, minimisation, procedures, sealing
from randomization.rules.drbg import HmacDrbg
from randomization.rules.specification import Specification, read
from tests.randomization import independent

PAGE = Path(__file__).resolve().parents[2] / "docs" / "randomization-format.md"
SECRETS = (b"\x01" * 32, b"\x02" * 32)
SPECIFICATION = Specification("T", "demo", "permuted_blocks", (4, 6), 0, ("A", "B"), ("site=X",), 6)


def example() -> dict[str, str]:
    """name → value of the table of the worked example."""
    part = PAGE.read_text(encoding="utf-8").split("## Worked example")[1]
    return dict(re.findall(r"^\| ([^|]+?) +\| `([^`]+)` \|$", part, flags=re.M))


def computed() -> dict[str, str]:
    frozen = SPECIFICATION.hash()
    seed = sealing.seed(*SECRETS, b"", b"", frozen)
    arms = SPECIFICATION.arms_of(seed, "site=X")
    salts = [sealing.salt(seed, "site=X", index) for index in range(1, 7)]
    leaves = [sealing.leaf("site=X", index, arms[index - 1], salts[index - 1]) for index in range(1, 7)]
    root = sealing.root(leaves)
    genesis = ledger.genesis("T", "demo", frozen.hex(), {"site=X": root.hex()})
    row = ledger.Row(
        position=1,
        participant="01-001",
        stratum="site=X",
        index=1,
        arm=arms[0],
        r=salts[0],
        strata_hash="a" * 64,
        eligibility_hash="b" * 64,
        user="li",
        at="2026-03-11T02:30:00.000000+00:00",
        previous=genesis,
    )
    path = sealing.path(leaves, 0)
    assert sealing.proves(leaves[0], path, root)
    return {
        "commitment of the statistician": sealing.commitment("T", "statistician", SECRETS[0]),
        "commitment of the sponsor": sealing.commitment("T", "sponsor", SECRETS[1]),
        "hash of the specification": frozen.hex(),
        "seed": seed.hex(),
        "arms 1 to 6": " ".join(arms),
        "r of entry 1": salts[0].hex(),
        "leaf of entry 1": leaves[0].hex(),
        "path of entry 1": " ".join(f"{side}:{sibling.hex()[:16]}…" for side, sibling in path),
        "root": root.hex(),
        "genesis": genesis,
        "hash of ledger row 1": row.hash(),
    }


@pytest.mark.parametrize("name", list(computed()))
def test_the_document_and_the_code_say_the_same(name):
    assert example()[name] == computed()[name]


KEY, NONCE = bytes(range(100, 132)), bytes(range(12))
FACTOR = {
    "name": "nprs",
    "item": "SCR/pain/worst",
    "levels": [{"level": "low", "from": 0, "to": 6}, {"level": "high", "from": 7, "to": 10}],
}
MINIMISED = read(
    {
        "trial": "T",
        "environment": "demo",
        "method": "minimisation",
        "probability": 0.8,
        "weights": {"site": 2},
        "arms": ["A", "B"],
        "sites": ["X", "Y"],
        "factors": [FACTOR],
        "length": 3,
        "emergency": 6,
    }
)
EARLIER = [
    ({"site": "X", "nprs": "low"}, 0),
    ({"site": "X", "nprs": "high"}, 0),
    ({"site": "Y", "nprs": "high"}, 1),
]
NEWCOMER = {"site": "X", "nprs": "high"}


def further() -> dict[str, str]:
    """name → value of the tables of further vectors."""
    entropy = bytes(range(32))
    place = sealing.personalization("DEMO", "prod", "site=1;nprs=0")
    other = sealing.personalization("DEMO", "uat", "site=1;nprs=0")

    def letters(arms: list[int]) -> str:
        return "".join("AB"[arm] for arm in arms)

    def source(personalization: bytes = place) -> HmacDrbg:
        return HmacDrbg(entropy, b"", personalization)

    leaves = [bytes([number]) * 32 for number in range(3)]
    seed = sealing.seed(*SECRETS, b"", b"", MINIMISED.hash())
    stratum = factors.key(NEWCOMER)
    draw = MINIMISED.draws_of(seed, stratum)[0]
    score = minimisation.scores(NEWCOMER, EARLIER, dict(MINIMISED.weights), MINIMISED.ratio)
    chance = minimisation.probability_of_first(score, MINIMISED.probability, MINIMISED.ratio)
    paper = [sealing.salt(seed, stratum, index, sealing.EMERGENCY) for index in range(1, 7)]
    envelopes = MINIMISED.emergency_arms_of(seed, stratum)
    bound = sealing.fields("T", "demo", "site=X", 1, "main")
    published = HmacDrbg(b"totally random0123456789", b"secret nonce", b"my drbg").generate(32)
    roots = {"site=X": "1" * 64, "site=Y": "2" * 64}
    return {
        "field 甲": sealing.field("甲").hex(),
        "field 258": sealing.field(258).hex(),
        "first 32 bytes, with personalization": published.hex(),
        "big stick 3, prod": letters(procedures.big_stick(source(), 3, 40)),
        "blocks 4 and 6, prod": letters(procedures.permuted_blocks(source(), (4, 6), 40)),
        "big stick 3, uat": letters(procedures.big_stick(source(other), 3, 40)),
        "complete, prod": letters(procedures.complete(source(), 40)),
        "complete 2:1, prod": letters(procedures.complete(source(), 40, (2, 1))),
        "blocks 6 and 9, 2:1, prod": letters(procedures.permuted_blocks(source(), (6, 9), 40, (2, 1))),
        "first draw, prod": procedures.draws(source(), 1)[0].hex(),
        "root of three leaves": sealing.root(leaves).hex(),
        "path of the third leaf": " ".join(f"{side}:{node.hex()}" for side, node in sealing.path(leaves, 2)),
        "associated data": bound.hex(),
        "entry under the key": (NONCE + AESGCM(KEY).encrypt(NONCE, b"\x01" + leaves[1], bound)).hex(),
        "strata of the minimised trial": " ".join(MINIMISED.strata),
        "hash of its specification": MINIMISED.hash().hex(),
        "draw 1 of nprs=high;site=X": draw.hex(),
        "leaf of that draw": sealing.leaf(stratum, 1, "", draw).hex(),
        "scores of A and B": f"{score[0]} {score[1]}",
        "chance of A": str(chance),
        "arm of that draw": MINIMISED.arms[minimisation.arm(draw, chance)],
        "chance of A at 2:1, A leaves less": str(minimisation.probability_of_first((1, 2), 800, (2, 1))),
        "chance of A at 2:1, B leaves less": str(minimisation.probability_of_first((2, 1), 800, (2, 1))),
        "chance of A at 2:1, both alike": str(minimisation.probability_of_first((1, 1), 800, (2, 1))),
        "envelopes of nprs=high;site=X": " ".join(envelopes),
        "r of envelope 1": paper[0].hex(),
        "root of the envelopes": sealing.root(
            [
                sealing.leaf(stratum, index, arm, r)
                for index, (arm, r) in enumerate(zip(envelopes, paper, strict=True), start=1)
            ]
        ).hex(),
        "genesis of two strata, one with envelopes": ledger.genesis(
            "T", "demo", "0" * 64, roots, {"site=Y": "3" * 64}
        ),
    }


@pytest.mark.parametrize("name", list(further()))
def test_the_further_vectors_are_what_the_code_gives(name):
    assert example()[name] == further()[name]


def test_every_vector_of_the_document_is_tested():
    assert set(example()) == set(computed()) | set(further())


def test_a_second_implementation_decides_the_minimised_arm_alike():
    seed = independent.seed(SECRETS, MINIMISED.hash())
    draws = independent.draws("T", "demo", seed, "nprs=high;site=X", 1)
    assert draws[0].hex() == example()["draw 1 of nprs=high;site=X"]
    chance = independent.chance_of_first(NEWCOMER, EARLIER, {"nprs": 1, "site": 2}, 800, (1, 1))
    assert chance == Fraction(example()["chance of A"])
    assert "AB"[independent.arm_of(draws[0], chance)] == example()["arm of that draw"]


def test_the_document_shows_the_specification_as_it_is_hashed():
    text = json.dumps(SPECIFICATION.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text in PAGE.read_text(encoding="utf-8")
