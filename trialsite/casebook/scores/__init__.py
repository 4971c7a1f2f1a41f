"""Published scoring algorithms as pure functions: exact values in, exact scores out, with the rule for missing answers.

A score that cannot be computed is a `Score` without value and with the reason. Which items a scale reads stands in the
form's definition (`score:`), so that licensed wordings and keys stay data; the arithmetic stands here, with its source.
"""

from trialsite.casebook.scores.engine import scores_of as scores_of
from trialsite.casebook.scores.kinds import Score as Score
