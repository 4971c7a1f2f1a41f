"""Filters of lists that take what a calendar can hold, and name the field where it is anything else."""

import datetime as dt
from typing import Any, Final

import django_filters
from django import forms
from django.utils.translation import gettext as _
from django_filters.fields import IsoDateTimeField

# Nothing that is recorded here lies outside of them (`casebook.rules` refuses dates outside, too).
YEARS: Final = (1880, 2200)


class InstantField(IsoDateTimeField):  # type: ignore[misc]
    """An instant, as UTC: PostgreSQL takes no offset beyond 15:59:59, while ISO 8601 has offsets up to 23:59."""

    def to_python(self, value: Any) -> dt.datetime | None:
        read: dt.datetime | None = super().to_python(value)
        if read is None:
            return None
        try:
            instant = read.astimezone(dt.UTC)
        except OverflowError as error:
            raise _outside() from error
        if not YEARS[0] <= instant.year <= YEARS[1]:
            raise _outside()
        return instant


class InstantFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    """Compares with an instant given as ISO 8601."""

    field_class = InstantField


class YearFilter(django_filters.NumberFilter):  # type: ignore[misc]
    """Takes the days of one year."""

    def __init__(self, field_name: str, **kwargs: Any) -> None:
        super().__init__(field_name, lookup_expr="year", min_value=YEARS[0], max_value=YEARS[1], **kwargs)


def _outside() -> forms.ValidationError:
    return forms.ValidationError(
        _("Give a time between the years {first} and {last}.").format(first=YEARS[0], last=YEARS[1])
    )
