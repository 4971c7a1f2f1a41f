"""The small forms around the randomization list. They check shape only; the services decide."""

from django import forms
from django.utils.translation import gettext_lazy as _

from trialsite.console.forms import SignatureFields
from trialsite.console.widgets import Moment
from trialsite.sites.models import Site


class SecondSignatureFields(SignatureFields):
    """What a second person gives to sign beside the first; `second` is chosen in the form itself."""

    second_password = forms.CharField(
        label=_("Password of the second person"), widget=forms.PasswordInput, strip=False
    )
    second_code = forms.CharField(
        label=_("Code of the second person's second factor"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


class EnvelopeForm(SecondSignatureFields):
    """What an opened envelope held; two persons sign for it."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=100)
    number = forms.IntegerField(label=_("Number of the envelope"), min_value=1)
    arm = forms.ChoiceField(label=_("What the envelope held"), widget=forms.RadioSelect)
    check_code = forms.CharField(
        label=_("Check code on the paper"),
        max_length=10,
        help_text=_("The ten characters beside the arm."),
        widget=forms.TextInput(attrs={"size": 12, "autocomplete": "off"}),
    )
    opened_at = forms.DateTimeField(label=_("Opened at"), widget=Moment())
    reason = forms.CharField(
        label=_("Why an envelope was opened"), max_length=300, widget=forms.Textarea(attrs={"rows": 2})
    )
    second = forms.ChoiceField(label=_("Second person (investigator)"))
    field_order = (
        "number",
        "arm",
        "check_code",
        "opened_at",
        "reason",
        "password",
        "code",
        "second",
        "second_password",
        "second_code",
    )


class VoidForm(SecondSignatureFields):
    """The next envelope of a stratum, which nobody can be entered for; two persons sign for it."""

    stratum = forms.ChoiceField(label=_("Stratum"))
    number = forms.IntegerField(label=_("Number of the envelope"), min_value=1)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 2}))
    second = forms.ChoiceField(label=_("Second person (trial manager or principal investigator)"))
    field_order = (
        "stratum",
        "number",
        "reason",
        "password",
        "code",
        "second",
        "second_password",
        "second_code",
    )


class InstallForm(forms.Form):
    """The sealed list, and its hash as it was published."""

    file = forms.FileField(
        label=_("Sealed list"), widget=forms.FileInput(attrs={"accept": ".json,application/json"})
    )
    published = forms.CharField(
        label=_("Hash of the specification, as published"),
        max_length=64,
        widget=forms.TextInput(attrs={"size": 66}),
    )


class HospitalForm(forms.Form):
    """State, cap and why."""

    state = forms.ChoiceField(label=_("State"), choices=Site.State.choices)
    limit = forms.IntegerField(label=_("Cap"), required=False, min_value=0)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))
