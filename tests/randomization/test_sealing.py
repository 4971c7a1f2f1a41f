"""Binding and hiding: commitments, Merkle proofs, ciphertexts; a made list recomputed by the second implementation."""

import copy
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from randomization import generation, vault
from randomization.rules import sealing
from randomization.rules.specification import read
from tests.randomization import independent
from tests.randomization.test_specification import BIG_STICK, GOOD

KEY = bytes(range(100, 132))
SECRETS = [bytes([number]) * 32 for number in (1, 2, 3)]
PLACE: Any = {"trial": "T", "environment": "prod", "stratum": "site=A", "index": 7, "kind": "main"}
HASHES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_fields_with_their_lengths_are_never_mistaken_for_others(one, other):
    assert (sealing.fields(*one) == sealing.fields(*other)) == (one == other)
    assert sealing.fields(*one) == independent.packed(*one)


def test_a_number_is_a_field_of_four_bytes_big_endian():
    assert sealing.field(258) == bytes([0, 0, 0, 4, 0, 0, 1, 2])
    assert sealing.field("甲") == bytes([0, 0, 0, 3]) + "甲".encode()


@given(HASHES, st.data())
def test_every_leaf_is_proved_and_no_other_leaf_or_root_is(leaves, data):
    root = sealing.root(leaves)
    assert root == independent.merkle_root(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    proof = sealing.path(leaves, place)
    assert sealing.paths(leaves)[place] == proof
    assert sealing.proves(leaves[place], proof, root)
    other = data.draw(st.binary(min_size=32, max_size=32).filter(lambda leaf: leaf != leaves[place]))
    assert not sealing.proves(other, proof, root)
    assert not sealing.proves(leaves[place], proof, other)
    if proof:
        assert not sealing.proves(leaves[place], proof[:-1], root)


def test_an_inner_node_does_not_pass_for_a_leaf_and_a_list_without_entries_has_no_root():
    leaves = [bytes([number]) * 32 for number in range(3)]
    assert sealing.root(leaves[:1]) == leaves[0]
    pair = hashlib.sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    assert sealing.root(leaves) == hashlib.sha256(b"\x01" + pair + leaves[2]).digest(), (
        "the odd one is promoted"
    )
    assert sealing.leaf("s", 1, "A", bytes(32)) == independent.leaf("s", 1, "A", bytes(32))
    with pytest.raises(ValueError, match="no root"):
        sealing.root([])


def opened(ciphertext, key=KEY, **place):
    return vault.unseal(key, ciphertext, **{**PLACE, **place})


def sealed_entry(arm_byte=1, r=bytes(32)):
    return vault.seal(KEY, **PLACE, arm_byte=arm_byte, r=r)


@given(st.integers(0, 1), st.binary(min_size=32, max_size=32))
def test_an_entry_opens_at_its_own_place_only(arm_byte, r):
    ciphertext = sealed_entry(arm_byte, r)
    assert opened(ciphertext) == (arm_byte, r)
    assert len(ciphertext) == 12 + 33 + 16, "the length tells nothing of the arm"
    for name, value in (
        ("trial", "U"),
        ("environment", "demo"),
        ("stratum", "site=B"),
        ("index", 8),
        ("kind", "emergency"),
    ):
        with pytest.raises(vault.CannotOpen):
            opened(ciphertext, **{name: value})


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_changed_byte_anywhere_keeps_an_entry_shut(place, change):
    ciphertext = bytearray(sealed_entry())
    ciphertext[place] ^= change
    with pytest.raises(vault.CannotOpen):
        opened(bytes(ciphertext))


@pytest.mark.parametrize("key", [bytes(32), KEY[::-1], KEY[:31] + b"\x00"])
def test_another_key_opens_nothing(key):
    with pytest.raises(vault.CannotOpen):
        opened(sealed_entry(), key=key)


def test_an_entry_of_another_length_is_refused_even_under_the_right_key():
    with pytest.raises(vault.CannotOpen):
        opened(sealed_entry(r=b"short"))


def test_one_entry_sealed_twice_looks_different():
    assert sealed_entry() != sealed_entry()


@pytest.mark.parametrize("text", ["", "c2hvcnQ=", "not base64!", "A" * 43, "AAAA" * 11])
def test_a_key_of_another_size_is_refused(text):
    with pytest.raises(ValueError):
        vault.key_from(text)


@pytest.fixture(params=[GOOD, BIG_STICK, {**BIG_STICK, "method": "complete", "bound": None}])
def specification(request):
    document = {**request.param, "length": 30, "arms": ["Z_FIRST", "A_SECOND"]}
    return {name: value for name, value in document.items() if value is not None}


@pytest.mark.parametrize("parties", [1, 2, 3])
def test_a_second_implementation_gives_the_same_hashes_roots_and_arms(specification, parties):
    made = json.loads(json.dumps(generation.sealed_list(read(specification), SECRETS[:parties], KEY)))
    frozen = independent.specification_hash(independent.frozen(specification))
    seed = independent.seed(SECRETS[:parties], frozen)
    assert made["specification_hash"] == frozen.hex()
    assert made["commitments"] == {
        role: independent.commitment(specification["trial"], role, secret)
        for role, secret in zip(("statistician", "sponsor", "ethics"), SECRETS[:parties], strict=False)
    }
    assert made["arms"] == ["A_SECOND", "Z_FIRST"]
    for part in made["strata"]:
        stratum = part["stratum"]
        leaves = []
        arms = independent.drawn_arms(specification, seed, stratum)
        for entry, (index, arm) in zip(part["entries"], enumerate(arms, start=1), strict=True):
            r = independent.salt(seed, stratum, index)
            leaves.append(independent.leaf(stratum, index, arm, r))
            assert (entry["index"], entry["leaf"]) == (index, leaves[-1].hex())
            place = {"trial": "NCT06756087", "environment": "prod", "stratum": stratum, "index": index}
            found = opened(bytes.fromhex(entry["ciphertext"]), **place)
            assert found == (made["arms"].index(arm), r)
        assert part["root"] == independent.merkle_root(leaves).hex()


def test_the_file_tells_neither_method_nor_sizes_nor_order_nor_secret():
    made = generation.sealed_list(read(GOOD), SECRETS, KEY)
    outline = copy.deepcopy(made)
    for part in outline["strata"]:
        part["entries"] = {tuple(sorted(entry)) for entry in part["entries"]}
        assert part.pop("entries") == {("ciphertext", "index", "leaf")}
        assert part.pop("emergency") == {"root": "", "entries": []}
    assert set(outline) == {
        "format",
        "trial",
        "environment",
        "specification_hash",
        "commitments",
        "public",
        "rule",
        "arms",
        "factors",
        "strata",
    }
    text = json.dumps(made)
    first, second, third = SECRETS
    seed = sealing.seed(first, second, third, b"", read(GOOD).hash())
    for secret in (*SECRETS, KEY, seed):
        assert secret.hex() not in text


def test_every_secret_and_the_order_of_secrets_change_the_list():
    roots = {
        generation.sealed_list(read(GOOD), secrets, KEY)["strata"][0]["root"]
        for secrets in (
            SECRETS,
            SECRETS[:2],
            SECRETS[:1],
            SECRETS[::-1],
            [SECRETS[0], SECRETS[2], SECRETS[1]],
        )
    }
    assert len(roots) == 5


@pytest.mark.parametrize("secrets", [[], [bytes(32)] * 4, [b"short"], [bytes(32), b""]])
def test_a_list_needs_one_to_three_secrets_of_32_bytes(secrets):
    with pytest.raises(ValueError, match="32 bytes"):
        generation.sealed_list(read(GOOD), secrets, KEY)


def test_a_new_secret_is_32_bytes_and_never_the_same():
    drawn = {generation.new_secret() for _ in range(50)}
    assert len(drawn) == 50
    assert {len(secret) for secret in drawn} == {32}


def test_lists_of_test_training_and_production_never_meet():
    """The same secrets and design: not an arm's hiding value, leaf or root in common, and other arms."""
    document = {**GOOD, "block_sizes": [4, 6], "emergency": 40, "length": 40}
    lists: dict[Any, str] = {}
    hidden: list[bytes] = []
    for environment in ("demo", "training", "prod"):
        specification = read({**document, "environment": environment})
        seed = generation.combined(specification, SECRETS)
        sealed = generation.sealed_list(specification, SECRETS, KEY)
        for part in sealed["strata"]:
            for kind, drawn, entries in (
                ("main", specification.arms_of(seed, part["stratum"]), part["entries"]),
                (
                    "emergency",
                    specification.emergency_arms_of(seed, part["stratum"]),
                    part["emergency"]["entries"],
                ),
            ):
                lists[environment, part["stratum"], kind] = "".join(arm[-1] for arm in drawn)
                hidden += [bytes.fromhex(entry["leaf"]) for entry in entries]
                hidden += [sealing.salt(seed, part["stratum"], entry["index"], kind) for entry in entries]
    assert len(set(lists.values())) == len(lists) == 12
    assert len(set(hidden)) == len(hidden) == 12 * 80
    # Nor does an entry of one open in another, even under one key.
    entry = bytes.fromhex(sealed["strata"][0]["entries"][0]["ciphertext"])
    place: dict[str, Any] = {"trial": GOOD["trial"], "stratum": "site=SHGH", "index": 1, "kind": "main"}
    assert vault.unseal(KEY, entry, environment="prod", **place)
    for environment in ("demo", "training"):
        with pytest.raises(vault.CannotOpen):
            vault.unseal(KEY, entry, environment=environment, **place)
