"""The expression language of criteria, edit checks, skip rules and derivations: small, typed, total, exact.

Syntax: `and or not`, comparisons, `in ["a", "b"]`, `+ - * /`, `x if condition else y`, numbers, strings,
`true`/`false`, references `form.item`, `setting.name`, `t0`, and the named functions; nothing else. Values are exact
(fractions and exact roots, never floats) and may be spans: a partial date ("2024-05") is every day of that month,
"<20" is every number below 20. Two instants are compared to the minute; beside a date, and in functions of dates, the
day of an instant counts. A comparison is decided only when it comes out the same for all of the span; otherwise it is
unknown, and Kleene's three-valued logic carries that on (S. C. Kleene, Introduction to Metamathematics, 1952, § 64).
`check` refuses at load what does not type-check; `compiled` makes a rule ready once; evaluation never raises and
tells what was read, compared and missing.
"""

from trialsite.protocol.expression.checking import BadExpression, Scope, check, references
from trialsite.protocol.expression.compiling import Comparison, Compiled, Outcome, compiled
from trialsite.protocol.expression.values import (
    CubeRoot,
    Facts,
    Missing,
    Observation,
    Span,
    Type,
    day,
    instant,
    number,
    partial_date,
    plain,
    rounded,
    to_read,
)

__all__ = [
    "BadExpression",
    "Comparison",
    "Compiled",
    "CubeRoot",
    "Facts",
    "Missing",
    "Observation",
    "Outcome",
    "Scope",
    "Span",
    "Type",
    "check",
    "compiled",
    "day",
    "instant",
    "number",
    "partial_date",
    "plain",
    "references",
    "rounded",
    "to_read",
]
