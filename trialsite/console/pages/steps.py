"""The small steps of a participant: a Django form, one service."""

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from eligibility.models import SignedVerdict
from trialsite.audit.context import acting
from trialsite.console import criteria
from trialsite.console.forms import (
    FailureForm,
    RandomizeForm,
    RegisterForm,
    SignForm,
)
from trialsite.console.pages.base import StepPage
from trialsite.core import clock
from trialsite.enrollment import facts, services
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.sites.models import Site
from trialsite.staff import capabilities


class RegisterPage(StepPage):
    """A new participant."""

    capability = capabilities.PARTICIPANT_REGISTER
    title = gettext_lazy("Register a participant")
    explanation = gettext_lazy(
        "The participant gets the next code of the hospital. Name, date of birth and number serve to recognise the "
        "same person alone: they are not kept, only a keyed digest. They can be entered later, before eligibility is "
        "signed."
    )
    button = gettext_lazy("Register")
    form_class = RegisterForm
    made: Participant

    def initial(self) -> dict[str, Any]:
        return {"key": secrets.token_hex(16)}

    def prepare(self, form: forms.Form) -> None:
        sites: Any = form.fields["site"]
        sites.queryset = Site.objects.visible_to(self.actor, capabilities.PARTICIPANT_REGISTER)

    def act(self, data: Mapping[str, Any]) -> None:
        self.made = services.register(actor=self.actor, site=data["site"], registration_key=data["key"])
        if data["name"]:
            who = {name: data[name] for name in ("name", "birth_date", "last_digits")}
            participants.register_identity(actor=self.actor, participant=self.made, **who)

    def home(self) -> HttpResponse:
        return redirect("participant", code=self.made.code)


class SignPage(StepPage):
    """The investigator's signature on eligibility."""

    capability = capabilities.ELIGIBILITY_SIGN
    title = gettext_lazy("Sign eligibility")
    explanation = gettext_lazy(
        "With your password you sign that you have checked the criteria and that this participant is eligible."
    )
    button = gettext_lazy("Sign")
    template = "console/sign.html"
    form_class = SignForm

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """The page; asked for by the page itself, the verdict as of the day that was typed."""
        if "HX-Request" not in request.headers:
            return super().get(request, **kwargs)
        return self.show(self._verdict(request.GET.get("surgery_on")), template="console/sign_verdict.html")

    def initial(self) -> dict[str, Any]:
        """The day that is planned; after the surgery what is signed for is its day."""
        participant = self.participant()
        operated = participant.status == "operated"
        return {"surgery_on": facts.surgery_on(participant) if operated else participant.planned_surgery_on}

    def prepare(self, form: forms.Form) -> None:
        participant = self.participant()
        if participant.status == "operated":
            return
        if participant.planned_surgery_on is None:
            form.fields.pop("reason", None)
        else:
            form.fields["reason"].label = _("Why the day moves, if it does")
            form.fields["reason"].help_text = ""

    def show(self, context: Mapping[str, Any], *, status: int = 200, template: str = "") -> HttpResponse:
        """With what the signature is over, as of the day in the form."""
        if "form" in context:
            context = {**self._verdict(context["form"]["surgery_on"].value()), **context}
        return super().show(context, status=status, template=template)

    def _verdict(self, day: Any) -> dict[str, Any]:
        """The verdict as of that day; of none where it is no day yet."""
        participant = self.participant()
        try:
            t0 = forms.DateField(required=False).clean(day)
        except forms.ValidationError:
            t0 = None
        verdict = facts.judge(participant, t0)
        explained = criteria.explained(participant.protocol_version.definition, verdict, t0=t0)
        # What stands in the way first: nobody reads forty lines to find it.
        explained.sort(key=lambda row: row.finding.satisfied is True)
        return {"participant": participant, "verdict": verdict, "t0": t0, "criteria": explained}

    def summary(self) -> list[tuple[Any, Any]]:
        """The stratification values are signed along: only under these can the participant be randomized."""
        return _strata(self.participant())

    def act(self, data: Mapping[str, Any]) -> None:
        services.sign_eligibility(actor=self.actor, participant=self.participant(), **data)


def _strata(participant: Participant) -> list[tuple[Any, Any]]:
    return [
        (_("Stratification: {factor}").format(factor=factor), level)
        for factor, level in facts.worded_strata(participant)
    ]


class FailPage(StepPage):
    """Screen failure."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Record screen failure")
    explanation = gettext_lazy("The criteria that fail by what is recorded are kept along.")
    form_class = FailureForm

    def summary(self) -> list[tuple[Any, Any]]:
        participant = self.participant()
        if participant.status == "registered":
            return []
        t0 = facts.reference_day(participant)
        titles = {one.id: one.title for one in participant.protocol_version.definition.criteria}
        language = self.request.LANGUAGE_CODE
        failing = [f"{one} {titles[one].to(language)}" for one in facts.judge(participant, t0).failing()]
        return [(_("Criteria that fail"), "; ".join(failing) or _("none by what is recorded"))]

    def act(self, data: Mapping[str, Any]) -> None:
        services.fail_screening(actor=self.actor, participant=self.participant(), **data)


class CompletePage(StepPage):
    """The end as planned."""

    capability = capabilities.END_RECORD
    title = gettext_lazy("Record completion")
    explanation = gettext_lazy("Every visit is settled. Records can still be corrected, with a reason.")
    form_class = forms.Form

    def act(self, data: Mapping[str, Any]) -> None:
        services.complete(actor=self.actor, participant=self.participant())


class RandomizePage(StepPage):
    """Randomization: read, confirm, and see the allocation. The service commits by itself."""

    capability = capabilities.RANDOMIZE
    own_transaction = True
    title = gettext_lazy("Randomize")
    explanation = gettext_lazy("The allocation is final: it cannot be taken back or repeated.")
    button = gettext_lazy("Randomize now")
    template = "console/randomize.html"
    form_class: ClassVar[type[forms.Form]] = RandomizeForm

    def initial(self) -> dict[str, Any]:
        with acting(self.actor):
            return {"key": secrets.token_hex(16), "strata": facts.strata(self.participant(), complete=False)}

    def draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        with acting(self.actor):
            return super().draw(form, status=status)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.draw(self.form_class(initial=self.initial()))

    def summary(self) -> list[tuple[Any, Any]]:
        participant = self.participant()
        return [
            (_("Participant"), participant.code),
            (_("Status"), participant.get_status_display()),
            *_strata(participant),
            *self._signed(participant),
            (_("Randomized by"), self.actor.full_name),
            (
                _("What happens next"),
                _(
                    "The arm is drawn and stored for good, its visits are planned, and a mail with position and head"
                    " of the ledger goes to the hospital's staff. The certificate is ready to print."
                ),
            ),
        ]

    @staticmethod
    def _signed(participant: Participant) -> list[tuple[Any, Any]]:
        signed = SignedVerdict.objects.standing(participant)
        if signed is None:
            return [(_("Eligibility"), _("No signature stands."))]
        who = signed.signature
        told = f"{who.printed_name}, {clock.local_date(who.signed_at, participant.site.timezone)}"
        return [(_("Eligibility signed by"), told), (_("Surgery"), facts.reference_day(participant))]

    def act(self, data: Mapping[str, Any]) -> None:
        with acting(self.actor):
            participant = self.participant()
        services.randomize(
            actor=self.actor,
            participant=participant,
            idempotency_key=data["key"],
            strata=data["strata"] or None,
        )
