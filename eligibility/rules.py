"""Pure judgement of criteria (no Django, no clock, no I/O).

A criterion is True, False or unknown (Kleene). A participant is eligible only if every inclusion is True and every
exclusion is False; one inclusion that is False or one exclusion that is True makes them ineligible, whatever else is
still unknown; otherwise the verdict is unknown. There is no waiver. Source: ICH E9 2.2.2 and the protocol's criteria.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trialsite.protocol.definition import Criterion
from trialsite.protocol.expression import Comparison, Compiled, Facts, Outcome, to_read

State = Literal["met", "not_met", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One criterion judged.

    `state` is about the criterion's own sentence: an exclusion that is `met` excludes. `satisfied` says whether the
    participant may enter as far as this criterion goes; None where unknown. `inputs` are the values that were read,
    by item, worded for a reader, and `sources` the records that hold them; `compared` tells each comparison with a
    limit as it came out; `missing` names what would be needed, with why it is not there.
    """

    id: str
    kind: Literal["inclusion", "exclusion"]
    state: State
    inputs: Mapping[str, str]
    missing: Mapping[str, str]
    sources: Mapping[str, str]
    compared: tuple[Mapping[str, str], ...]

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
                    "sources": dict(finding.sources),
                    "compared": [dict(one) for one in finding.compared],
                    "missing": dict(finding.missing),
                }
                for finding in self.findings
            ],
        }


def state_of(outcome: bool | None) -> State:
    """The word for a Kleene truth value."""
    return "unknown" if outcome is None else ("met" if outcome else "not_met")


def told_apart(left: Any, right: Any) -> tuple[str, str]:
    """Both sides of a comparison for people: to two decimals, or to as many as show on which side of a limit it lies.

    Who reads “≈0.6 < 0.6” learns nothing; 0.599 is told as it is.
    """
    for places in range(2, 9):
        told = (to_read(left, places), to_read(right, places))
        if left == right or told[0].strip("≈") != told[1].strip("≈"):
            break
    return told


def _told(one: Comparison) -> dict[str, str]:
    left, right = told_apart(one.left_value, one.right_value)
    return {
        "left": one.left,
        "sign": one.sign,
        "right": one.right,
        "left_value": left,
        "right_value": right,
        "held": {True: "yes", False: "no", None: "unknown"}[one.held],
    }


def finding(criterion: Criterion, outcome: Outcome) -> Finding:
    """A criterion with what its rule came to. Values are shown rounded, and were compared as they are."""
    return Finding(
        criterion.id,
        criterion.kind,
        state_of(outcome.value),
        outcome.inputs,
        outcome.missing,
        {name: read.source for name, read in outcome.read.items() if read.source},
        tuple(map(_told, outcome.compared)),
    )


def judge(criteria: Iterable[Criterion], facts: Facts, rule: Callable[[str], Compiled]) -> Verdict:
    """The verdict on `criteria` over `facts`; `rule` gives the compiled form of a criterion's rule."""
    return verdict([finding(one, rule(one.rule).evaluate(facts)) for one in criteria])


def verdict(findings: Sequence[Finding]) -> Verdict:
    """A verdict over findings in the protocol's order; an empty list is a defect, never an eligible participant."""
    if not findings:
        raise ValueError("a protocol without criteria judges nobody")
    return Verdict(tuple(findings))
