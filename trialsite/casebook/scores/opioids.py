"""Opioids as milligrams of oral morphine a day, by a versioned table of factors. For research, never for dosing.

Source of the default table: CDC Clinical Practice Guideline for Prescribing Opioids for Pain, 2022; the factor of
parenteral morphine is common practice and not of the guideline.
"""

from collections.abc import Mapping
from fractions import Fraction

from trialsite.casebook.scores.kinds import Answers, Score, number


def oral_morphine(answers: Answers, items: Mapping[str, str], factors: Mapping[str, Fraction]) -> Score:
    """Daily oral morphine equivalent (mg) of one drug.

    `items` names `drug`, `dose` (per day in the drug's unit; the fentanyl patch in µg/h), `taken` (is any opioid
    taken?) and `manual` (the equivalent as worked out by a physician). A drug that is not in `factors` takes the manual
    value; without one the result is open, never guessed. Nothing taken is 0.
    """
    if answers.get(items["taken"]) is False:
        return Score("omed", Fraction(0))
    drug, dose = answers.get(items["drug"]), number(answers, items["dose"])
    if not isinstance(drug, str):
        return Score("omed", None, "missing_answer")
    if drug not in factors:
        manual = number(answers, items["manual"])
        return Score("omed", manual, "" if manual is not None else "not_in_table")
    if dose is None:
        return Score("omed", None, "missing_answer")
    return Score("omed", dose * factors[drug])
