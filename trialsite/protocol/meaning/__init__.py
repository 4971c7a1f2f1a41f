"""What JSON Schema cannot say: references, windows, expressions. Yields (part, path, sentence) for each mistake."""

from collections.abc import Callable, Mapping
from typing import Final

from trialsite.protocol.meaning import casting, forms, reminders, safety, trial, visits
from trialsite.protocol.meaning.draft import FORMS, Document, Draft, Found, Rest
from trialsite.protocol.meaning.reminders import telling

__all__ = ["Rest", "problems_of", "telling"]

# Each check with the parts that it reads as a whole; it waits until their structure holds.
_CHECKS: Final[tuple[tuple[Callable[[Draft], Found], tuple[str, ...]], ...]] = (
    (trial.once, ()),
    (trial.sites, ("sites",)),
    (trial.targets, ("trial", "sites")),
    (trial.sex_item, ("trial", FORMS)),
    (forms.problems_of, ()),
    (forms.torn, ()),
    (visits.problems_of, ("trial", "visits")),
    (trial.criteria, ("criteria",)),
    (trial.torn_criteria, ()),
    (reminders.problems_of, ("trial", "visits", "reminders")),
    (reminders.discreet_names, ("trial", "visits", "sites")),
    (trial.questions, ("trial",)),
    (trial.settings, ("trial", "criteria", FORMS)),
    (trial.pain_response, ("trial", "visits", FORMS)),
    (safety.problems_of, ("trial", "visits", FORMS)),
    (casting.problems_of, ("trial", "visits", "criteria", FORMS)),
)


def problems_of(document: Document, broken: Mapping[str, Rest] | None = None) -> Found:
    """Every mistake in meaning of a document; `broken` are the parts whose structure does not hold."""
    draft = Draft(document, broken or {})
    for check, parts in _CHECKS:
        if draft.holds(*parts):
            yield from check(draft)
