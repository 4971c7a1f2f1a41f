"""Protocol versions at the hospitals: which is in use where, under whose signatures."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.forms import SignatureFields
from trialsite.console.pages.base import Page, StepPage
from trialsite.core.errors import NotFound
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Activation, Site
from trialsite.sites.services import cancel_activation, sign_activation
from trialsite.staff import capabilities
from trialsite.staff.access import has


def _activations(page: Page) -> Any:
    return (
        Activation.objects.visible_to(page.actor)
        .select_related("site", "protocol_version")
        .defer("protocol_version__document")
        .prefetch_related("signatures__signature")
    )


class ActivationsPage(Page):
    """Every version at every hospital that one may see."""

    capability = capabilities.PROTOCOL_VIEW
    template = "console/activations.html"
    title = gettext_lazy("Protocol at the hospitals")

    def get(self, request: HttpRequest) -> HttpResponse:
        known: dict[tuple[int, int], list[Activation]] = {}
        for one in _activations(self):
            known.setdefault((one.site_id, one.protocol_version_id), []).append(one)
        versions = list(ProtocolVersion.objects.visible_to(self.actor).defer("document"))
        sites = Site.objects.visible_to(self.actor, capabilities.PROTOCOL_VIEW)
        return self.show(
            {
                "sites": [
                    (
                        site,
                        has(self.actor, capabilities.ACTIVATION_SIGN, site=site),
                        [(version, known.get((site.pk, version.pk), [])) for version in versions],
                    )
                    for site in sites
                ]
            }
        )


class ApprovalForm(SignatureFields):
    """The ethics approval, as its letter says, and the password."""

    ethics_approved_on = forms.DateField(
        label=gettext_lazy("Approved by the ethics committee on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    ethics_reference = forms.CharField(label=gettext_lazy("Reference of the approval"), max_length=80)
    field_order = ("ethics_approved_on", "ethics_reference", "password", "code")


class CancelForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3})
    )


class SignActivationPage(StepPage):
    """One of the two signatures."""

    capability = capabilities.ACTIVATION_SIGN
    title = gettext_lazy("Sign the activation")
    explanation = gettext_lazy(
        "Two people sign, one for the hospital and one for the sponsor, both under the same ethics approval. "
        "With the second signature new participants of this hospital come under this version."
    )
    button = gettext_lazy("Sign")
    form_class: ClassVar[type[forms.Form]] = ApprovalForm

    @cached_property
    def about(self) -> tuple[Site, ProtocolVersion]:
        """The hospital and the version; NotFound where one may not sign there."""
        site = Site.objects.visible_to(self.actor, self.capability).filter(code=self.kwargs["site"]).first()
        version = ProtocolVersion.objects.filter(version=self.kwargs["version"]).defer("document").first()
        if site is None or version is None:
            raise NotFound
        return site, version

    def standing(self) -> Activation | None:
        """The activation that waits or is active."""
        site, version = self.about
        found: Activation | None = (
            _activations(self).standing().filter(site=site, protocol_version=version).first()
        )
        return found

    def initial(self) -> dict[str, Any]:
        first = self.standing()
        return (
            {"ethics_approved_on": first.ethics_approved_on, "ethics_reference": first.ethics_reference}
            if first
            else {}
        )

    def summary(self) -> list[tuple[Any, Any]]:
        site, version = self.about
        first = self.standing()
        lines = [(_("Hospital"), site.name), (_("Version"), version.version), (_("Hash"), version.sha256)]
        for one in first.signatures.all() if first else ():
            lines.append((_("Signed"), f"{one.signature.printed_name}: {one.signature.meaning}"))
        return lines

    def act(self, data: Mapping[str, Any]) -> None:
        site, version = self.about
        sign_activation(actor=self.actor, site=site, version=version, **data)

    def home(self) -> HttpResponse:
        return redirect("activations")


class CancelActivationPage(SignActivationPage):
    """The end of a proposal that is wrong."""

    title = gettext_lazy("Cancel the activation")
    explanation = gettext_lazy("The signature under it falls; the activation can then be proposed anew.")
    button = gettext_lazy("Cancel the activation")
    form_class = CancelForm

    def act(self, data: Mapping[str, Any]) -> None:
        proposed = self.standing()
        if proposed is None:
            raise NotFound
        cancel_activation(actor=self.actor, activation=proposed, **data)
