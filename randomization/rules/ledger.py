"""The ledger: each row's hash covers the row and the hash before it, so that no row can be changed or taken out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from randomization.rules.sealing import fields


def genesis(
    trial: str,
    environment: str,
    specification_hash: str,
    roots: Mapping[str, str],
    emergency_roots: Mapping[str, str] | None = None,
) -> str:
    """The head of an empty ledger, hex: binds the chain to its lists.

    By the root of every stratum and the root of its envelopes (empty where there are none), in order of name.
    """
    envelopes = emergency_roots or {}
    bound = [part for name, root in sorted(roots.items()) for part in (name, root, envelopes.get(name, ""))]
    return hashlib.sha256(
        fields("TRIALSITE-GENESIS-1", trial, environment, specification_hash, *bound)
    ).hexdigest()


@dataclass(frozen=True)
class Row:
    """What one allocation writes. `at` is ISO 8601 in UTC with microseconds; hashes are hex.

    `kind` is `main`, or `emergency` for an entry that was opened on paper while the system was down.
    """

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
    kind: str = "main"

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
                self.kind,
            )
        ).hexdigest()
