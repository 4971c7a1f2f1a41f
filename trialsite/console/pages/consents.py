"""Consent: the two steps of a participant, and the versions of the form with their approvals."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.forms import ConsentCorrectionForm, ConsentFormForm, RetireForm
from trialsite.console.forms import ConsentForm as ConsentEntry
from trialsite.console.pages.base import Page, StepPage
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.enrollment import corrections, services
from trialsite.participants import services as participants
from trialsite.participants.models import Consent, ConsentForm
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import Membership, User


class ConsentPage(StepPage):
    """Consent of patient and family."""

    capability = capabilities.CONSENT_RECORD
    title = gettext_lazy("Record consent")
    form_class = ConsentEntry

    def initial(self) -> dict[str, Any]:
        return {"obtained_by": self.actor.pk}

    def prepare(self, form: forms.Form) -> None:
        participant = self.participant()
        today = clock.today(participant.site.timezone)
        usable = ConsentForm.objects.usable(today).filter(site=participant.site)
        given = Consent.objects.filter(participant=participant, obtained_at=participant.site)
        signed = given.values_list("form_version", flat=True)
        versions: Any = form.fields["form_version"]
        versions.choices = [(one.version, one.version) for one in usable if one.version not in set(signed)]
        _offer_people(form, Q(pk__in=_who_may_obtain(participant.site_id)))

    def act(self, data: Mapping[str, Any]) -> None:
        self.warn(services.consent(actor=self.actor, participant=self.participant(), **data))

    def warn(self, given: Consent) -> None:
        """Say at once where the delegation log does not name who obtained it: that can still be put right."""
        if Consent.objects.undelegated().filter(pk=given.pk).exists():
            messages.warning(
                self.request,
                _("{person} did not stand on the delegation log for informed consent at that time.").format(
                    person=given.obtained_by.full_name
                ),
            )


class ReconsentPage(ConsentPage):
    """Consent to an amended form."""

    title = gettext_lazy("Record consent to an amended form")
    explanation = gettext_lazy(
        "From then on the participant is bound to the protocol version of this form. "
        "What has been recorded stays under the version before."
    )

    def act(self, data: Mapping[str, Any]) -> None:
        self.warn(services.reconsent(actor=self.actor, participant=self.participant(), **data))


class CorrectConsentPage(StepPage):
    """A correction of a consent: the times, who obtained it, and which form was signed."""

    capability = capabilities.CONSENT_RECORD
    title = gettext_lazy("Correct a consent")
    explanation = gettext_lazy(
        "The signature on eligibility falls, and what was done for the trial before the true time is recorded as a"
        " protocol deviation."
    )
    form_class = ConsentCorrectionForm

    def consent(self) -> Consent:
        """The consent that the address names."""
        found = Consent.objects.filter(
            participant=self.participant(), pk__in=Consent.objects.visible_to(self.actor)
        )
        row = found.select_related("obtained_at").filter(pk=self.kwargs["consent"]).first()
        if row is None:
            raise NotFound
        return row

    def initial(self) -> dict[str, Any]:
        consent = self.consent()
        return {
            "signed_version": consent.form_version,
            "patient_signed_at": consent.patient_signed_at,
            "family_signed_at": consent.family_signed_at,
            "obtained_by": consent.obtained_by_id,
            "seen": consent.version,
        }

    def prepare(self, form: forms.Form) -> None:
        """What binds to another version of the protocol, or was signed too, is a consent of its own."""
        consent = self.consent()
        here = ConsentForm.objects.filter(site=consent.obtained_at_id)
        signed = Consent.objects.filter(participant=self.participant(), obtained_at=consent.obtained_at_id)
        alike = here.filter(
            protocol_version__in=here.filter(version=consent.form_version).values("protocol_version")
        ).exclude(version__in=signed.values("form_version"))
        versions: Any = form.fields["signed_version"]
        versions.choices = [(one, one) for one in (consent.form_version, *(row.version for row in alike))]
        # Who is recorded stays to be chosen, with a role here or without one by now.
        may = Q(pk__in=_who_may_obtain(consent.obtained_at_id)) | Q(pk=consent.obtained_by_id)
        _offer_people(form, may)

    def summary(self) -> list[tuple[Any, Any]]:
        consent = self.consent()
        return [
            (_("Hospital"), consent.obtained_at.name),
            (_("Version of the consent form"), consent.form_version),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        given, consent = dict(data), self.consent()
        for name in ("patient_signed_at", "family_signed_at"):
            given[name] = _as_recorded(given[name], getattr(consent, name))
        corrections.correct_consent(
            actor=self.actor,
            participant=self.participant(),
            form_version=consent.form_version,
            obtained_at=consent.obtained_at_id,
            expected_version=given.pop("seen"),
            **given,
        )


def _as_recorded(given: dt.datetime | None, recorded: dt.datetime | None) -> dt.datetime | None:
    """The page shows minutes: a time that was left as it stood keeps its seconds."""
    kept = recorded and recorded.replace(second=0, microsecond=0) == given
    return recorded if kept else given


def _who_may_obtain(site: int) -> QuerySet[Membership, Any]:
    return Membership.objects.of_people_with(capabilities.CONSENT_RECORD, site=site).values("user_id")


def _offer_people(form: forms.Form, who: Q) -> None:
    person: Any = form.fields["obtained_by"]
    person.queryset = User.objects.filter(who)
    person.label_from_instance = _named


def _named(user: User) -> str:
    return user.full_name


class ConsentFormsPage(Page):
    """The versions of the consent form at each hospital."""

    capability = capabilities.PROTOCOL_VIEW
    template = "console/consent_forms.html"
    title = gettext_lazy("Consent forms")

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = ConsentForm.objects.visible_to(self.actor).select_related(
            "site", "protocol_version", "entered_by"
        )
        return self.show(
            {
                "forms": rows.defer("protocol_version__document"),
                "may_manage": has(self.actor, capabilities.CONSENT_FORM_MANAGE),
            }
        )


class ApproveFormPage(StepPage):
    """A new version of the form at a hospital."""

    capability = capabilities.CONSENT_FORM_MANAGE
    title = gettext_lazy("Enter an approved consent form")
    explanation = gettext_lazy(
        "A consent can use a version only from the day of its approval at that hospital. "
        "Where earlier participants sign anew, they appear on the worklist."
    )
    form_class = ConsentFormForm

    def prepare(self, form: forms.Form) -> None:
        site: Any = form.fields["site"]
        site.queryset = Site.objects.visible_to(self.actor, capabilities.CONSENT_FORM_MANAGE)
        version: Any = form.fields["protocol_version"]
        version.queryset = ProtocolVersion.objects.defer("document")

    def act(self, data: Mapping[str, Any]) -> None:
        participants.approve_consent_form(actor=self.actor, **data)

    def home(self) -> HttpResponse:
        return redirect("consent-forms")


class RetireFormPage(StepPage):
    """The end of a version of the form at a hospital."""

    capability = capabilities.CONSENT_FORM_MANAGE
    title = gettext_lazy("Take a consent form out of use")
    form_class = RetireForm

    def form_row(self) -> ConsentForm:
        """The version of the form that the address names."""
        found = ConsentForm.objects.visible_to(self.actor).filter(pk=self.kwargs["consent_form"]).first()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        row = self.form_row()
        return [(_("Hospital"), row.site.name), (_("Version"), row.version)]

    def act(self, data: Mapping[str, Any]) -> None:
        participants.retire_consent_form(actor=self.actor, form=self.form_row(), **data)

    def home(self) -> HttpResponse:
        return redirect("consent-forms")
