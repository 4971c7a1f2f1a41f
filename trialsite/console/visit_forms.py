"""The small forms of visits and the calendar. They check shape only; the services decide."""

from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from trialsite.console.widgets import Day, Moment
from trialsite.staff.models import User


class BookForm(forms.Form):
    """An appointment. `seen` is the count of bookings that the page showed."""

    at = forms.DateTimeField(label=_("Appointment"), widget=Moment())
    place = forms.CharField(label=_("Place"), max_length=120, required=False)
    staff: Any = forms.ModelChoiceField(User.objects.none(), label=_("With"), required=False)
    reason = forms.CharField(label=_("Reason, if it moves"), max_length=300, required=False)
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=0, required=False)


class AttendForm(forms.Form):
    """The date on which the participant came."""

    on = forms.DateField(label=_("Date of the visit"), widget=Day())
    reason = forms.CharField(label=_("Reason, if outside the window"), max_length=300, required=False)


class CorrectForm(forms.Form):
    """The true date of a settled visit, and why another was recorded."""

    on = forms.DateField(label=_("It took place on"), widget=Day(), required=False)
    reason = forms.CharField(label=_("Reason"), max_length=300)


class UnscheduledForm(forms.Form):
    """A visit outside the schedule: past, or with an appointment."""

    reason = forms.CharField(label=_("Reason"), max_length=300)
    on = forms.DateField(label=_("It took place on"), widget=Day(), required=False)
    at = forms.DateTimeField(label=_("or has an appointment"), widget=Moment(), required=False)
    place = forms.CharField(label=_("Place"), max_length=120, required=False)


class ClinicForm(forms.Form):
    """Clinic days of a hospital."""

    weekdays = forms.MultipleChoiceField(
        label=_("Weekdays"),
        choices=list(enumerate(WEEKDAYS.values())),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "ts-choices"}),
        required=False,
    )
    starts_at = forms.TimeField(
        label=_("From"), initial="09:00", widget=forms.TimeInput(attrs={"type": "time"})
    )
    capacity = forms.IntegerField(
        label=_("Appointments at most, if limited"), min_value=1, max_value=999, required=False
    )
    reason = forms.CharField(label=_("Reason"), max_length=300)


class HolidayForm(forms.Form):
    """A day of the official calendar."""

    day = forms.DateField(label=_("Day"), widget=Day())
    works = forms.TypedChoiceField(
        label=_("Kind"),
        choices=[("false", _("public holiday")), ("true", _("make-up working day"))],
        coerce=lambda text: text == "true",
    )
    name = forms.CharField(label=_("Name"), max_length=80)
    reason = forms.CharField(label=_("Reason"), max_length=300)


class YearForm(forms.Form):
    """A year of the official calendar."""

    year = forms.IntegerField(label=_("Year"), min_value=2000, max_value=2099)
    source = forms.CharField(label=_("Official notice"), max_length=200)


class FeedForm(forms.Form):
    """A calendar feed."""

    name = forms.CharField(label=_("Device or program"), max_length=60)
