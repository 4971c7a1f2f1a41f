"""Making a sealed list: commit, freeze, combine, generate, hide and bind, encrypt. Needs no database."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from randomization import vault
from randomization.rules import sealing
from randomization.rules.specification import Specification

FORMAT: Final = "trialsite-sealed-list-1"
DEMO_SECRET: Final = b"demo secret, known to everyone !"
ROLES: Final = ("statistician", "sponsor", "ethics")


def new_secret() -> bytes:
    """32 bytes for one party."""
    return secrets.token_bytes(32)


def sealed_list(
    specification: Specification, party_secrets: Sequence[bytes], key: bytes, *, public: bytes = b""
) -> dict[str, Any]:
    """The sealed list as JSON: hashes, commitments, roots and ciphertexts; the seed is in none of them.

    `party_secrets` holds one to three secrets (statistician, sponsor, ethics office); an absent one is empty.
    """
    seed = combined(specification, party_secrets, public)
    return {
        **heading(specification, key),
        "commitments": {
            role: sealing.commitment(specification.trial, role, secret)
            for role, secret in zip(ROLES, party_secrets, strict=False)
        },
        "public": public.hex(),
        "strata": [_stratum(specification, seed, stratum, key) for stratum in specification.strata],
    }


def combined(specification: Specification, party_secrets: Sequence[bytes], public: bytes = b"") -> bytes:
    """The seed. It is computed where the list is made and where it is verified, and stored nowhere."""
    if not 1 <= len(party_secrets) <= 3 or any(len(secret) != 32 for secret in party_secrets):
        raise ValueError("one to three secrets of 32 bytes are needed")
    first, second, third = [*party_secrets, b"", b""][:3]
    return sealing.seed(first, second, third, public, specification.hash())


def envelopes(
    specification: Specification, party_secrets: Sequence[bytes], *, public: bytes = b""
) -> list[dict[str, Any]]:
    """What is printed on paper and sealed for days when the system is down: a `sheet` of each envelope."""
    seed = combined(specification, party_secrets, public)
    return [
        sheet(stratum, index, arm, sealing.salt(seed, stratum, index, sealing.EMERGENCY))
        for stratum in specification.strata
        for index, arm in enumerate(specification.emergency_arms_of(seed, stratum), start=1)
    ]


def sheet(stratum: str, index: int, arm: str, r: bytes) -> dict[str, Any]:
    """The content of one envelope: stratum, number, arm, the check code without which it cannot be entered, and r."""
    return {
        "stratum": stratum,
        "index": index,
        "arm": arm,
        "check_code": sealing.check_code(r),
        "r": r.hex(),
    }


def demo_commitment(trial: str) -> str:
    """What gives a demo list away: production refuses it."""
    return sealing.commitment(trial, ROLES[0], DEMO_SECRET)


def demo_list(
    *, trial: str, environment: str, strata: Sequence[str], arms: tuple[str, str], length: int, key: bytes
) -> Mapping[str, Any]:
    """A list for the demonstration, made of a secret that everyone knows."""
    specification = Specification(
        trial, environment, "permuted_blocks", (4, 6), 0, arms, tuple(strata), length, emergency=20
    )
    return sealed_list(specification, [DEMO_SECRET], key)


def heading(specification: Specification, key: bytes) -> dict[str, Any]:
    """What stands above the strata of a sealed list."""
    place = {"trial": specification.trial, "environment": specification.environment}
    return {
        "format": FORMAT,
        **place,
        "specification_hash": specification.hash().hex(),
        "rule": vault.seal_rule(key, specification.text(), **place).hex(),
        "arms": sorted(specification.arms),
        "factors": [factor.document() for factor in specification.factors],
    }


def _stratum(specification: Specification, seed: bytes, stratum: str, key: bytes) -> dict[str, Any]:
    if specification.method == "minimisation":
        committed = [("", draw) for draw in specification.draws_of(seed, stratum)]
    else:
        committed = [
            (arm, sealing.salt(seed, stratum, index))
            for index, arm in enumerate(specification.arms_of(seed, stratum), start=1)
        ]
    paper = [
        (arm, sealing.salt(seed, stratum, index, sealing.EMERGENCY))
        for index, arm in enumerate(specification.emergency_arms_of(seed, stratum), start=1)
    ]
    return {
        "stratum": stratum,
        **entries(specification, stratum, committed, sealing.MAIN, key),
        "emergency": entries(specification, stratum, paper, sealing.EMERGENCY, key),
    }


def entries(
    specification: Specification, stratum: str, committed: Sequence[tuple[str, bytes]], kind: str, key: bytes
) -> dict[str, Any]:
    """Root and entries of (arm, r) pairs; an empty arm stands for a draw."""
    order = sorted(specification.arms)
    leaves, made = [], []
    for index, (arm, r) in enumerate(committed, start=1):
        leaves.append(sealing.leaf(stratum, index, arm, r))
        ciphertext = vault.seal(
            key,
            trial=specification.trial,
            environment=specification.environment,
            stratum=stratum,
            index=index,
            kind=kind,
            arm_byte=order.index(arm) if arm else vault.DRAW,
            r=r,
        )
        made.append({"index": index, "leaf": leaves[-1].hex(), "ciphertext": ciphertext.hex()})
    return {"root": sealing.root(leaves).hex() if leaves else "", "entries": made}
