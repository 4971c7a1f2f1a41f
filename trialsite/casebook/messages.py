"""The sentence of each fault, in the reader's language."""

from collections.abc import Mapping

from django.utils.functional import lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.rules import Fault
from trialsite.casebook.units import in_words

SENTENCES = {
    "unknown_item": _("This form has no such item."),
    "unknown_key": _("“{key}” is not known here; give value, unit, uln or missing."),
    "missing_reason": _("Give one of these reasons: {reasons}."),
    "no_unit": _("This item has no unit."),
    "number_as_text": _('Give the number as text, such as "3.1", so that it stays exact.'),
    "not_a_number": _("This is not a number. Write digits and a point, such as 12.5."),
    "not_whole": _("This must be a whole number."),
    "no_sign": _("A sign such as < is not accepted here."),
    "unknown_unit": _("This unit is not accepted. Accepted are: {units}."),
    "refused_unit": _("{unit} cannot be converted without knowing the assay. Give the result in {wanted}."),
    "limit_as_number": _("Write the limit of quantification as a number, such as {sign}20."),
    "uln_needed": _(
        "Give the laboratory's upper limit of normal: the hospital's register has none for this date."
    ),
    "computed": _("This is computed from other items and is not entered."),
    "not_a_time": _("This is not a time. Write hours and minutes, such as 09:30."),
    "no_uln": _("This item has no upper limit of normal."),
    "uln_not_positive": _("The upper limit of normal must be greater than zero."),
    "uln_out_of_range": _(
        "Not possible as an upper limit of normal: the range is {low} to {high} {unit}. It is read in the unit of the "
        "value."
    ),
    "uln_out_of_range_other_unit": _(
        "Not possible as an upper limit of normal: the range is {low} to {high} {unit}. Is it given in "
        "{other}? It is read in the unit of the value."
    ),
    "out_of_range": _("Not possible: the range is {low} to {high} {unit}."),
    "out_of_range_other_unit": _(
        "Not possible: the range is {low} to {high} {unit}. Was it measured in {other}?"
    ),
    "not_text": _("This must be text."),
    "null_byte": _("The text holds a character that cannot be stored."),
    "too_long": _("At most {most} characters."),
    "not_a_boolean": _("Answer yes or no (true or false)."),
    "not_a_date": _("This is not a date. Write YYYY-MM-DD."),
    "partial_date": _("Give the full date, YYYY-MM-DD."),
    "future": _("This date lies in the future; today is {today}."),
    "future_instant": _("This lies in the future; at the hospital it is {now}."),
    "not_a_datetime": _("Give date and time with zone, such as 2026-03-02T09:30:00+08:00."),
    "unknown_choice": _("Choose one of: {choices}."),
    "not_a_list": _("Give a list."),
    "required": _("Please fill this in."),
    "key_fact_needed": _("This step rests on it: record it once the answer is known; a reason does not do."),
    "value_and_missing": _("Give either a value or why there is none."),
    # Of rows of a file.
    "cells": _("This row has {found} cells, the head {wanted}."),
    "not_an_object": _("Give an object."),
    "not_a_code": _("Give a code of letters and digits."),
    "not_a_count": _("Give a whole number from 1 on."),
    "value_lacking": _("The value itself is missing."),
    "unit_without_entered": _("A value in another unit stands in the column {column}."),
    "contradicts_entered": _("This contradicts the column {column}. Change both, or empty one."),
    "no_participant": _("You have no participant of this code."),
    "another_place": _("The participant belongs to {here}."),
}


def worded(faults: Mapping[str, Fault]) -> dict[str, list[str]]:
    """{item: [sentence]} for an answer."""
    return {name: [_sentence(fault)] for name, fault in faults.items()}


def told(faults: Mapping[str, Fault]) -> dict[str, list[str]]:
    """{item: [sentence]} for a refusal, worded only when somebody reads it."""
    return {name: [_LATER(fault)] for name, fault in faults.items()}


def _sentence(fault: Fault) -> str:
    if fault.code == "check":
        return fault.params["zh" if (get_language() or "").startswith("zh") else "en"]
    units = {
        name: in_words(fault.params[name]) for name in ("unit", "other", "wanted") if name in fault.params
    }
    # Where an item has no unit, none stands before the full stop.
    sentence = str(SENTENCES[fault.code]).format(**{**fault.params, **units})
    return sentence.replace(" .", ".").replace(" 。", "。")


_LATER = lazy(_sentence, str)
