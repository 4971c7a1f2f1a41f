"""Pages of the sealed list: installing it, opened envelopes, the sealed export; and a hospital's state and cap."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from randomization import overview, steering
from randomization.errors import BadList
from randomization.exporting import sealed_export
from trialsite.audit.context import acting
from trialsite.console.list_forms import EnvelopeForm, HospitalForm, InstallForm, VoidForm
from trialsite.console.pages.base import StepPage
from trialsite.console.pages.steps import RandomizePage
from trialsite.core.errors import DomainError
from trialsite.enrollment import services, trial
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites import services as sites
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.models import Membership, User


class EnvelopePage(RandomizePage):
    """What an opened envelope held, signed by two persons. The service commits by itself."""

    title = gettext_lazy("Enter an opened envelope")
    explanation = gettext_lazy(
        "For a participant who was randomized from the next sealed envelope while this system was down. Two"
        " persons sign that they have seen the opened envelope; the ledger marks the allocation."
    )
    button = gettext_lazy("Sign and enter")
    form_class = EnvelopeForm
    template = "console/step.html"

    def initial(self) -> dict[str, Any]:
        """A key that makes a double click harmless."""
        return {"key": secrets.token_hex(16)}

    def summary(self) -> list[tuple[Any, Any]]:
        """As before a randomization, without what follows: nothing is drawn here."""
        return super().summary()[:-1]

    def prepare(self, form: forms.Form) -> None:
        with acting(self.actor):
            participant = self.participant()
            language = get_language() or "en"
            arm, second = form.fields["arm"], form.fields["second"]
            arm.choices = [  # type: ignore[attr-defined]
                (one.code, one.label.to(language)) for one in participant.protocol_version.definition.arms
            ]
            roles = [
                role
                for role, held in capabilities.CAPABILITIES.items()
                if capabilities.ELIGIBILITY_SIGN in held
            ]
            holding = Membership.objects.current().filter(site=participant.site_id, role__in=roles)
            people = User.objects.filter(
                pk__in=holding.values("user_id"), is_active=True, kind=User.Kind.PERSON
            )
            second.choices = [  # type: ignore[attr-defined]
                (person.username, person.full_name) for person in people.exclude(pk=self.actor.pk)
            ]

    def act(self, data: Mapping[str, Any]) -> None:
        given = dict(data)
        with acting(self.actor):
            participant = self.participant()
            second = User.objects.get(username=given.pop("second"))
        services.enter_envelope(
            actor=self.actor,
            participant=participant,
            idempotency_key=given.pop("key"),
            second=second,
            **given,
        )


class VoidPage(StepPage):
    """An envelope that nobody can be entered for, declared by two people."""

    capability = capabilities.SEQUENCE_MANAGE
    title = gettext_lazy("Declare an envelope void")
    explanation = gettext_lazy(
        "For the next envelope of a stratum where it is lost, spoilt, or was opened for nobody of the trial: those"
        " behind it can be entered then. It is never used again. Two persons sign."
    )
    button = gettext_lazy("Sign and declare void")
    form_class = VoidForm

    def prepare(self, form: forms.Form) -> None:
        stratum, second = form.fields["stratum"], form.fields["second"]
        strata = overview.overview(self.actor).strata
        stratum.choices = [  # type: ignore[attr-defined]
            (one.key, one.key) for one in strata if one.next_emergency <= one.emergency_length
        ]
        roles = [
            role for role, held in capabilities.CAPABILITIES.items() if capabilities.ALLOCATION_MARK in held
        ]
        holding = Membership.objects.current().filter(role__in=roles)
        people = User.objects.filter(pk__in=holding.values("user_id"), is_active=True, kind=User.Kind.PERSON)
        second.choices = [  # type: ignore[attr-defined]
            (person.username, person.full_name) for person in people.exclude(pk=self.actor.pk)
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        second = User.objects.get(username=data["second"])
        steering.void_envelope(actor=self.actor, **{**data, "second": second})

    def home(self) -> HttpResponse:
        return redirect("randomization")


class InstallPage(StepPage):
    """The sealed list, once for ever. The published hash is typed in, so that a wrong file is noticed."""

    capability = capabilities.SEQUENCE_MANAGE
    trial_wide = True
    upload_limit = 32 * 1024 * 1024
    template = "console/install.html"
    title = gettext_lazy("Install the sealed list")
    explanation = gettext_lazy(
        "The file that generate_list wrote on the statistician's machine. It holds ciphertext and published hashes"
        " alone, and is installed once for ever; the roots then stand on the page of randomization."
    )
    button = gettext_lazy("Install for ever")
    form_class = InstallForm

    def bound(self) -> forms.Form:
        return InstallForm(self.request.POST, self.request.FILES)

    def act(self, data: Mapping[str, Any]) -> None:
        document = _document(data["file"])
        if document.get("specification_hash") != data["published"].strip().lower():
            raise BadList(
                fields={"published": [_("This is not the hash of the specification in the file.")]},
                why="",
            )
        version = ProtocolVersion.objects.current()
        if version is None:
            raise BadList(why=_("no protocol is loaded"))
        trial.install_list(actor=self.actor, document=document, version=version)

    def home(self) -> HttpResponse:
        return redirect("randomization")


def _document(file: Any) -> Mapping[str, Any]:
    try:
        document = json.load(file)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BadList(
            fields={"file": [_("This is not a sealed list: the file is not a JSON object.")]}, why=""
        )
    return document


class SealedExportPage(StepPage):
    """List and ledger for the stand-alone verifier."""

    capability = capabilities.SEQUENCE_MANAGE
    trial_wide = True
    title = gettext_lazy("Sealed export")
    explanation = gettext_lazy(
        "List, ledger and proofs, from which docs/tools/verify_trial.py re-derives everything without this system. It"
        " holds the specification and every arm, so it is given out once randomization is closed; the trail records it."
    )
    button = gettext_lazy("Take the export")
    form_class = forms.Form

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self.form_class(request.POST)
        try:
            document = sealed_export(actor=self.actor)
        except DomainError as error:
            form.is_valid()
            form.add_error(None, str(error))
            return self.draw(form, status=422)
        name = f"sealed-export-{document['trial']}-{len(document['rows'])}.json"
        response = JsonResponse(document, json_dumps_params={"indent": 1, "ensure_ascii": False})
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


class HospitalPage(StepPage):
    """A hospital's state and its cap beside the protocol's, with the reason."""

    capability = capabilities.SITE_MANAGE
    title = gettext_lazy("State and cap of the hospital")
    explanation = gettext_lazy(
        "A paused hospital takes no new participants; a closed one never opens again. The cap holds beside the"
        " protocol's: the lower one counts. An empty cap means the protocol's alone."
    )
    form_class = HospitalForm

    def hospital(self) -> Site:
        """404 for one that does not exist, or that the actor does not manage."""
        found = Site.objects.visible_to(self.actor, self.capability).filter(code=self.kwargs["site"]).first()
        if found is None:
            raise Http404
        return found

    def initial(self) -> dict[str, Any]:
        site = self.hospital()
        return {"state": site.state, "limit": site.limit}

    def summary(self) -> list[tuple[Any, Any]]:
        site = self.hospital()
        return [
            (_("Hospital"), f"{site.number} {site.name}"),
            (_("Target"), site.target),
            (_("Cap of the protocol"), "–" if site.cap is None else site.cap),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        site = self.hospital()
        if data["state"] != site.state:
            sites.set_state(actor=self.actor, site=site, state=data["state"], reason=data["reason"])
        if data["limit"] != site.limit:
            sites.set_limit(actor=self.actor, site=site, limit=data["limit"], reason=data["reason"])

    def home(self) -> HttpResponse:
        return redirect("admin:sites_site_changelist")
