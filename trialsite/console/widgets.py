"""Inputs that browsers know, in the format that they send."""

from django import forms


class Moment(forms.DateTimeInput):
    """A date with its time."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class Day(forms.DateInput):
    """A date."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")
