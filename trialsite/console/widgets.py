"""Inputs that browsers know, in the format that they send.

The highest date keeps a year to four digits: without it browsers wait for six, and what is typed on ends in the year.
"""

from django import forms


class Moment(forms.DateTimeInput):
    """A date with its time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M", attrs={"max": "9999-12-31T23:59"})


class Day(forms.DateInput):
    """A date."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d", attrs={"max": "9999-12-31"})
