"""From a form's `score:` to its scores."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from trialsite.casebook.scores import eq5d, opioids, scales, sins
from trialsite.casebook.scores.kinds import Answers, Score

Rule = Mapping[str, Any]


def scores_of(rule: Rule, answers: Answers) -> list[Score]:
    """All scores that `rule` (the `score:` of a form, as `protocol.schema` allows it) gives for these answers."""
    return ALGORITHMS[rule["algorithm"]](rule, answers)


def _scales(rule: Rule, answers: Answers) -> list[Score]:
    return [scales.score(scale, answers) for scale in scales_of(rule)]


def scales_of(rule: Rule) -> list[scales.Scale]:
    """The scales of a `score:` rule; where `least` is not given, at least half of the items must be answered."""
    return [
        scales.Scale(
            name=entry["name"],
            items=tuple(entry["items"]),
            kind=entry["kind"],
            span=entry["span"],
            least=entry.get("least", scales.at_least_half(entry["items"])),
            lowest=entry.get("lowest", 0),
            reversed_items=tuple(entry.get("reversed", ())),
        )
        for entry in rule["scales"]
    ]


def _eq5d(rule: Rule, answers: Answers) -> list[Score]:
    found = [eq5d.profile(answers, rule["items"])]
    if "value_set" in rule:
        table = {name: [Fraction(str(one)) for one in row] for name, row in rule["value_set"].items()}
        found.append(eq5d.index(answers, rule["items"], table))
    return found


def _sins(rule: Rule, answers: Answers) -> list[Score]:
    return sins.sins(answers, rule["roles"])


def _opioids(rule: Rule, answers: Answers) -> list[Score]:
    factors = {drug: Fraction(str(factor)) for drug, factor in rule["factors"].items()}
    return [opioids.oral_morphine(answers, rule["roles"], factors)]


ALGORITHMS: Final[Mapping[str, Callable[[Rule, Answers], list[Score]]]] = {
    "scales": _scales,
    "eq5d": _eq5d,
    "sins": _sins,
    "opioids": _opioids,
}
