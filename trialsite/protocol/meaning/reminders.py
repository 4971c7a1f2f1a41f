"""Reminders: placeholders, hours, and what a message to a participant must not tell."""

import re
from typing import Final

from trialsite.protocol.meaning.draft import Document, Draft, Found

_PLACEHOLDERS: Final = {"participant": {"hospital", "date", "phone"}}
_STAFF_PLACEHOLDERS: Final = {"hospital", "date", "phone", "participant", "visit"}
# What a message to a participant never holds, whatever the trial: addresses of pages, codes of participants.
_ALWAYS_TELLING: Final = r"https?:|www\.|[0-9]{2}-[0-9]{3}(?![0-9-])"


def problems_of(draft: Draft) -> Found:
    """Every mistake in the reminders."""
    document = draft.document
    for place, rule in enumerate(document["reminders"]):
        allowed = _PLACEHOLDERS.get(rule["audience"], _STAFF_PLACEHOLDERS)
        for key in ("subject", "body"):
            for language in ("en", "zh"):
                path, words = f"[{place}].{key}.{language}", rule[key][language]
                for name in re.findall(r"\{([^}]*)\}", words):
                    if name not in allowed:
                        yield (
                            "reminders",
                            path,
                            f"{{{name}}} is not known here; known are {', '.join(sorted(allowed))}",
                        )
                if rule["audience"] == "participant":
                    for word in telling(document, words):
                        yield (
                            "reminders",
                            path,
                            f"{word!r} tells what a message to a participant must not tell",
                        )
        if rule["audience"] == "participant" and not "08:00" <= rule["at"] < "21:00":
            yield "reminders", f"[{place}].at", "participants get nothing from 21:00 to 08:00"


def telling(document: Document, words: str) -> list[str]:
    """What in `words` a participant's family or workmates must not read: illness, trial, arm, department, codes, links.

    A message to a participant may be read by anyone. The vocabulary is the protocol's own (`discretion`); the trial's
    number, its arms and its visits are added.
    """
    trial = document["trial"]
    parts = [*trial["discretion"]["zh"], trial["id"]]
    for arm in trial["arms"]:
        parts += [arm["code"], *arm["label"].values()]
    codes = "|".join(re.escape(visit["code"]) for visit in document["visits"])
    begins = "|".join(map(re.escape, trial["discretion"]["en"]))
    pattern = "|".join(
        [
            *map(re.escape, parts),
            rf"(?<![A-Za-z])(?:{begins})",
            rf"(?<![A-Za-z])(?:{codes})(?![A-Za-z])",
            _ALWAYS_TELLING,
        ]
    )
    return re.findall(f"(?:{pattern})", words, re.IGNORECASE)


def discreet_names(draft: Draft) -> Found:
    """The hospital's name stands in every message to a participant."""
    document = draft.document
    for place, site in enumerate(document["sites"]):
        for language, name in site["name"].items():
            for word in telling(document, name):
                yield (
                    "sites",
                    f"[{place}].name.{language}",
                    f"{word!r} would stand in messages to participants; give a name that does not tell",
                )
