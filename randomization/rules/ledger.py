"""The ledger: each row's hash covers the row and the hash before it, so that no row can be changed or taken out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from randomization.rules.sealing import fields


def genesis(trial: str, environment: str, specification_hash: str, roots: Mapping[str, str]) -> str:
    """The head of an empty ledger, hex: binds the chain to its list, by the root of every stratum in order of name."""
    bound = [part for pair in sorted(roots.items()) for part in pair]
    return hashlib.sha256(
        fields("TRIALSITE-GENESIS-1", trial, environment, specification_hash, *bound)
    ).hexdigest()


@dataclass(frozen=True)
class Row:
    """What one allocation writes. `at` is ISO 8601 in UTC with microseconds; hashes are hex."""

    position: int
    participant: str
    stratum: str
    index: int
    arm: str
    r: bytes
    strata_hash: str
    eligibility_hash: str
    user: str
    at: str
    previous: str

    def hash(self) -> str:
        """SHA-256 over all fields in this order, hex."""
        return hashlib.sha256(
            fields(
                "TRIALSITE-LEDGER-1",
                self.position,
                self.participant,
                self.stratum,
                self.index,
                self.arm,
                self.r,
                self.strata_hash,
                self.eligibility_hash,
                self.user,
                self.at,
                self.previous,
            )
        ).hexdigest()
