"""The small forms of the steps. They check shape only; the services decide."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from trialsite.casebook.models import Lock
from trialsite.console.widgets import Day, Moment
from trialsite.exports.models import Snapshot
from trialsite.participants.models import Contact, Participant, ScreenFailure
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.models import User

_CARD = _("Last four signs of the identity card's number, or the whole number")


def whole_identity(form: forms.Form) -> dict[str, Any]:
    """Name, date of birth and number come together: says at each that lacks that it is needed."""
    data: dict[str, Any] = form.cleaned_data
    names = ("name", "birth_date", "last_digits")
    if any(data.get(name) for name in names):
        for name in names:
            if name not in form.errors and not data.get(name):
                form.add_error(name, _("Name, date of birth and number belong together."))
    return data


class RegisterForm(forms.Form):
    """Where the participant is screened, and who it is as far as known; the key makes a double click harmless."""

    site: Any = forms.ModelChoiceField(Site.objects.none(), label=_("Hospital"), empty_label=None)
    key = forms.CharField(widget=forms.HiddenInput, max_length=100)
    name = forms.CharField(label=_("Name as on the identity card"), max_length=120, required=False)
    birth_date = forms.DateField(label=_("Date of birth"), widget=Day(), required=False)
    last_digits = forms.CharField(label=_CARD, max_length=40, required=False)

    def clean(self) -> dict[str, Any]:
        """Who it is comes whole or not at all."""
        return whole_identity(self)


class ConsentForm(forms.Form):
    """Consent of patient and family."""

    form_version = forms.ChoiceField(label=_("Version of the consent form"))
    patient_signed_at = forms.DateTimeField(label=_("Patient signed at"), widget=Moment())
    family_signed_at = forms.DateTimeField(label=_("Family signed at"), widget=Moment(), required=False)
    obtained_by: Any = forms.ModelChoiceField(User.objects.none(), label=_("Obtained by"))


class ConsentCorrectionForm(forms.Form):
    """The consent as it should be, and why; `seen` is the version that was looked at."""

    signed_version = forms.ChoiceField(label=_("Version that was signed"))
    patient_signed_at = forms.DateTimeField(label=_("Patient signed at"), widget=Moment())
    family_signed_at = forms.DateTimeField(label=_("Family signed at"), widget=Moment(), required=False)
    obtained_by: Any = forms.ModelChoiceField(User.objects.none(), label=_("Obtained by"), empty_label=None)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=10**9)


class ConsentFormForm(forms.Form):
    """A version of the consent form as a hospital's committee approved it."""

    site: Any = forms.ModelChoiceField(Site.objects.none(), label=_("Hospital"))
    protocol_version: Any = forms.ModelChoiceField(
        ProtocolVersion.objects.none(), label=_("Protocol version"), empty_label=None
    )
    version = forms.CharField(label=_("Version of the consent form"), max_length=40)
    approved_on = forms.DateField(label=_("Approved on"), widget=Day())
    reference = forms.CharField(label=_("Reference of the approval"), max_length=80)
    reconsent = forms.BooleanField(label=_("Earlier participants sign anew"), required=False, initial=True)


class FailureForm(forms.Form):
    """Why a screening ended."""

    reason = forms.ChoiceField(label=_("Reason"), choices=ScreenFailure.Reason.choices)
    note = forms.CharField(label=_("Note"), max_length=500, required=False, widget=forms.TextInput())


class IdentityForm(forms.Form):
    """Who it is, of which only a keyed digest is kept; or why nobody can say; or a correction with its reason."""

    name = forms.CharField(label=_("Name as on the identity card"), max_length=120, required=False)
    birth_date = forms.DateField(label=_("Date of birth"), widget=Day(), required=False)
    last_digits = forms.CharField(label=_CARD, max_length=40, required=False)
    reason = forms.CharField(
        label=_("Reason, where another person was entered by mistake"), max_length=300, required=False
    )
    unavailable = forms.CharField(label=_("Or: not available, because"), max_length=300, required=False)

    def clean(self) -> dict[str, Any]:
        """Either who it is, or why that is not available."""
        data = whole_identity(self)
        given = any(data.get(name) for name in ("name", "birth_date", "last_digits"))
        if not self.errors and given == bool(data.get("unavailable")):
            raise forms.ValidationError(_("Enter who it is, or why that is not available."))
        return data


class TransferForm(forms.Form):
    """Where the participant goes, and why."""

    site: Any = forms.ModelChoiceField(Site.objects.none(), label=_("To the hospital"))
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.TextInput())


class RetireForm(forms.Form):
    """The end of a version of the form."""

    on = forms.DateField(label=_("Not used from"), widget=Day())
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))


class SignatureFields(forms.Form):
    """What every electronic signature asks for: the password again, and a code on the first one of a session."""

    password = forms.CharField(label=_("Your password again"), widget=forms.PasswordInput, strip=False)
    code = forms.CharField(
        label=_("Code of your second factor"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


class PlanSurgeryForm(forms.Form):
    """The day for which the surgery is planned."""

    surgery_on = forms.DateField(label=_("Planned date of surgery"), widget=Day())
    reason = forms.CharField(
        label=_("Reason"), max_length=300, required=False, help_text=_("Needed where the day moves.")
    )


class SignForm(SignatureFields):
    """The signature of an investigator on eligibility."""

    surgery_on = forms.DateField(label=_("Planned date of surgery"), widget=Day())
    reason = forms.CharField(
        label=_("Why it is signed after the surgery"),
        max_length=300,
        required=False,
        help_text=_("Recorded as a protocol deviation."),
        widget=forms.TextInput(),
    )
    field_order = ("surgery_on", "reason", "password", "code")


class ImportForm(forms.Form):
    """A file of rows for one form."""

    form = forms.ChoiceField(label=_("Form"))
    file = forms.FileField(
        label=_("File"),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
        help_text=_("CSV (UTF-8) in the shape of the exported table, or a JSON list of rows."),
        allow_empty_file=True,
    )
    reason = forms.CharField(label=_("Reason"), max_length=200)


class AttachForm(forms.Form):
    """A file and what it is."""

    title = forms.CharField(
        label=_("Title"), max_length=120, help_text=_("Such as “Report of the MRI”; no name.")
    )
    content = forms.FileField(
        label=_("File"),
        widget=forms.ClearableFileInput(attrs={"accept": ".pdf,.jpg,.jpeg,.png,application/pdf,image/*"}),
    )
    identifies = forms.BooleanField(
        label=_("It shows who the participant is"),
        required=False,
        help_text=_("A name, a face, a number of the hospital: then the hospital's team alone sees it."),
    )


class WithdrawFileForm(forms.Form):
    """Why a file is given out no more."""

    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.TextInput())


class NewReportForm(forms.Form):
    """Whose serious adverse event it is."""

    participant: Any = forms.ModelChoiceField(Participant.objects.none(), label=_("Participant"))


class ReportStepForm(forms.Form):
    """When a step of a safety report was taken, on the version of the form that was seen."""

    at = forms.DateTimeField(label=_("At"), widget=Moment())
    reason = forms.CharField(
        label=_("Reason for the change"),
        max_length=200,
        required=False,
        help_text=_("Needed where the form is complete."),
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, min_value=1, max_value=10**9)


class SnapshotForm(forms.Form):
    """What to write, and what for."""

    format = forms.ChoiceField(label=_("Format"), choices=Snapshot.Format.choices)
    purpose = forms.CharField(label=_("Purpose"), max_length=200)
    blinded = forms.BooleanField(label=_("without arms"), required=False)


class DatabaseLockForm(forms.Form):
    """How everything is closed, and why."""

    kind = forms.ChoiceField(label=_("Kind"), choices=Lock.Kind.choices, widget=forms.RadioSelect)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))


class CasebookLockForm(forms.Form):
    """What of a casebook is closed or opened again, how, and why."""

    reach = forms.ChoiceField(label=_("Reach"))
    kind = forms.ChoiceField(
        label=_("Kind"), choices=[*Lock.Kind.choices, ("lift", _("Lift"))], widget=forms.RadioSelect
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))


class ReasonForm(forms.Form):
    """A reason."""

    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))


class BreachForm(forms.Form):
    """Why a criterion was not satisfied, and what was done."""

    why = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    action = forms.CharField(
        label=_("What was done about it"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class LimitForm(forms.Form):
    """A limit of normal of the hospital's laboratory."""

    site: Any = forms.ModelChoiceField(Site.objects.none(), label=_("Hospital"), empty_label=None)
    what = forms.ChoiceField(label=_("Value"))
    sex = forms.ChoiceField(label=_("Sex"), required=False)
    value = forms.CharField(label=_("Upper limit of normal"), max_length=20)
    unit = forms.CharField(
        label=_("Unit"), max_length=40, required=False, help_text=_("Leave empty for the unit of the form.")
    )
    valid_from = forms.DateField(label=_("Valid from"), widget=Day())
    valid_until = forms.DateField(label=_("Valid until, if it has ended"), widget=Day(), required=False)
    source = forms.CharField(label=_("Where it is from"), max_length=200)


class RandomizeForm(forms.Form):
    """The confirmation; the key makes a double click harmless. `strata` are the values that were shown."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=100)
    strata = forms.JSONField(widget=forms.HiddenInput, required=False)

    def clean_strata(self) -> dict[str, str]:
        """What the page wrote itself: texts by name."""
        strata = self.cleaned_data["strata"] or {}
        if not isinstance(strata, dict) or not all(isinstance(level, str) for level in strata.values()):
            raise forms.ValidationError(_("These are not the values that were shown. Load the page again."))
        return strata


class ContactForm(forms.Form):
    """How to reach the participant."""

    name = forms.CharField(label=_("Name"), max_length=120, required=False)
    phone = forms.CharField(label=_("Telephone"), max_length=40, required=False)
    email = forms.EmailField(label=_("E-mail"), required=False)
    language = forms.ChoiceField(label=_("Language"), choices=[("zh-hans", "简体中文"), ("en", "English")])
    channel = forms.ChoiceField(label=_("Preferred channel"), choices=Contact.Channel.choices)
    contact_consent = forms.BooleanField(label=_("Agrees to be contacted"), required=False)
    opted_out = forms.BooleanField(label=_("Wants no messages"), required=False)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        required=False,
        help_text=_("Needed where something that was given changes."),
    )


class SearchForm(forms.Form):
    """Who is this?"""

    by = forms.ChoiceField(
        label=_("Look for"),
        choices=[("phone", _("Telephone")), ("name", _("Name")), ("email", _("E-mail"))],
    )
    text = forms.CharField(label=_("Exactly"), max_length=254)


class TrailForm(forms.Form):
    """What a reviewer of the trail asks for."""

    participant = forms.CharField(max_length=12, required=False)
    person = forms.ChoiceField(required=False)
    table = forms.ChoiceField(required=False)
    field = forms.CharField(max_length=60, required=False)
    since = forms.DateField(widget=Day(), required=False)
    until = forms.DateField(widget=Day(), required=False)

    def __init__(self, data: Any, *, people: Any, tables: Any) -> None:
        super().__init__(data)
        anything: list[tuple[str, Any]] = [("", _("all"))]
        self.fields["person"].choices = anything + list(people)  # type: ignore[attr-defined]
        self.fields["table"].choices = anything + list(tables)  # type: ignore[attr-defined]
