"""Pure judgement of criteria (no Django, no clock, no I/O).

A criterion is True, False or unknown (Kleene). A participant is eligible only if every inclusion is True and every
exclusion is False; one inclusion that is False or one exclusion that is True makes them ineligible, whatever else is
still unknown; otherwise the verdict is unknown. There is no waiver. Source: ICH E9 2.2.2 and the protocol's criteria.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["met", "not_met", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One criterion judged.

    `state` is about the criterion's own sentence: an exclusion that is `met` excludes. `satisfied` says whether the
    participant may enter as far as this criterion goes; None where unknown. `inputs` are the values that were read,
    by item, worded for a reader; `missing` names what would be needed, with why it is not there.
    """

    id: str
    kind: Literal["inclusion", "exclusion"]
    state: State
    inputs: Mapping[str, str]
    missing: Mapping[str, str]

    @property
    def satisfied(self) -> bool | None:
        if self.state == "unknown":
            return None
        return (self.state == "met") == (self.kind == "inclusion")


@dataclass(frozen=True)
class Verdict:
    """All criteria of one participant at one moment."""

    findings: tuple[Finding, ...]

    @property
    def eligible(self) -> bool | None:
        """True, False, or None as long as something that matters is unknown."""
        states = {finding.satisfied for finding in self.findings}
        if False in states:
            return False
        return None if None in states else True

    def failing(self) -> list[str]:
        """Ids of the criteria that keep the participant out."""
        return [finding.id for finding in self.findings if finding.satisfied is False]

    def unknown(self) -> list[str]:
        """Ids of the criteria that cannot be decided yet."""
        return [finding.id for finding in self.findings if finding.satisfied is None]

    def document(self) -> dict[str, Any]:
        """The verdict as JSON, in the order of the criteria: what is signed and kept."""
        return {
            "eligible": self.eligible,
            "criteria": [
                {
                    "id": finding.id,
                    "kind": finding.kind,
                    "state": finding.state,
                    "inputs": dict(finding.inputs),
                    "missing": dict(finding.missing),
                }
                for finding in self.findings
            ],
        }


def state_of(outcome: bool | None) -> State:
    """The word for a Kleene truth value."""
    return "unknown" if outcome is None else ("met" if outcome else "not_met")


def verdict(findings: Sequence[Finding]) -> Verdict:
    """A verdict over findings in the protocol's order; an empty list is a defect, never an eligible participant."""
    if not findings:
        raise ValueError("a protocol without criteria judges nobody")
    return Verdict(tuple(findings))
