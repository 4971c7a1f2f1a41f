"""Making a sealed list: commit, freeze, combine, generate, hide and bind, encrypt. Needs no database."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from randomization import vault
from randomization.rules import sealing
from randomization.rules.specification import Specification

FORMAT: Final = "trialsite-sealed-list-1"
DEMO_SECRET: Final = b"demo secret, known to everyone !"
_ROLES: Final = ("statistician", "sponsor", "ethics")


def new_secret() -> bytes:
    """32 bytes for one party."""
    return secrets.token_bytes(32)


def sealed_list(
    specification: Specification, party_secrets: Sequence[bytes], key: bytes, *, public: bytes = b""
) -> dict[str, Any]:
    """The sealed list as JSON: hashes, commitments, roots and ciphertexts; neither seed nor specification.

    `party_secrets` holds one to three secrets (statistician, sponsor, ethics office); an absent one is empty.
    """
    if not 1 <= len(party_secrets) <= 3 or any(len(secret) != 32 for secret in party_secrets):
        raise ValueError("one to three secrets of 32 bytes are needed")
    padded = [*party_secrets, b"", b""][:3]
    seed = sealing.seed(padded[0], padded[1], padded[2], public, specification.hash())
    return {
        "format": FORMAT,
        "trial": specification.trial,
        "environment": specification.environment,
        "specification_hash": specification.hash().hex(),
        "commitments": {
            role: sealing.commitment(specification.trial, role, secret)
            for role, secret in zip(_ROLES, party_secrets, strict=False)
        },
        "arms": sorted(specification.arms),
        "strata": [_stratum(specification, seed, stratum, key) for stratum in specification.strata],
    }


def demo_commitment(trial: str) -> str:
    """What gives a demo list away: production refuses it."""
    return sealing.commitment(trial, _ROLES[0], DEMO_SECRET)


def demo_list(
    *, trial: str, environment: str, strata: Sequence[str], arms: tuple[str, str], length: int, key: bytes
) -> Mapping[str, Any]:
    """A list for the demonstration, made of a secret that everyone knows."""
    specification = Specification(
        trial, environment, "permuted_blocks", (4, 6), 0, arms, tuple(strata), length
    )
    return sealed_list(specification, [DEMO_SECRET], key)


def _stratum(specification: Specification, seed: bytes, stratum: str, key: bytes) -> dict[str, Any]:
    order = sorted(specification.arms)
    leaves, entries = [], []
    for index, arm in enumerate(specification.arms_of(seed, stratum), start=1):
        r = sealing.salt(seed, stratum, index)
        leaves.append(sealing.leaf(stratum, index, arm, r))
        ciphertext = vault.seal(
            key,
            trial=specification.trial,
            environment=specification.environment,
            stratum=stratum,
            index=index,
            kind="main",
            arm_byte=order.index(arm),
            r=r,
        )
        entries.append({"index": index, "leaf": leaves[-1].hex(), "ciphertext": ciphertext.hex()})
    return {"stratum": stratum, "root": sealing.root(leaves).hex(), "entries": entries}
