"""Pages of randomization: certificate, mark, the statistician's overview, steering, attestation, access log."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from randomization import arms, continuity, overview, steering
from trialsite.console.pages.base import OfParticipant, Page, StepPage
from trialsite.core import clock
from trialsite.core.errors import DomainError, NotFound
from trialsite.exports import trail
from trialsite.participants.vault import conceal, revealed
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff import capabilities
from trialsite.staff.access import has, has_everywhere
from trialsite.staff.models import User

_KINDS = (
    ("ineligible", _("was not eligible")),
    ("stratum", _("wrong stratification values")),
    ("person", _("wrong or repeated person")),
    ("other", _("another error")),
)
_STATES = (("active", _("active")), ("paused", _("paused")), ("closed", _("closed")))


class CertificatePage(OfParticipant):
    """The allocation's certificate, to be printed for the participant's file."""

    capability = capabilities.ARM_SEE
    template = "console/certificate.html"
    title = _("Certificate of randomization")

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        made = arms.of(self.actor, participant)
        if made is None:
            raise NotFound
        definition = participant.protocol_version.definition
        return self.show(
            {
                "participant": participant,
                "made": made,
                "mark": getattr(made, "correction", None),
                "arm": next(arm for arm in definition.arms if arm.code == made.arm),
                "trial": definition,
                "version": participant.protocol_version.version,
            }
        )


class MarkForm(forms.Form):
    """Why, and what is true."""

    kind = forms.ChoiceField(label=_("What was wrong"), choices=_KINDS)
    reason = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    truth = forms.CharField(
        label=_("What is true instead"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class MarkPage(StepPage):
    """Randomized in error."""

    capability = capabilities.ALLOCATION_MARK
    title = _("Mark as randomized in error")
    explanation = _(
        "The mark is for good. The allocation stands and is analysed as randomized; the entry is never used again."
    )
    button = _("Mark")
    form_class = MarkForm

    def act(self, data: Mapping[str, Any]) -> None:
        steering.mark_in_error(actor=self.actor, participant=self.participant(), **data)


class OverviewPage(Page):
    """State, hashes and counters of list and ledger. No arms."""

    capability = capabilities.LEDGER_VIEW
    template = "console/randomization.html"
    title = _("Randomization")

    def get(self, request: HttpRequest) -> HttpResponse:
        wide = has_everywhere(self.actor, capabilities.SEQUENCE_MANAGE)
        try:
            found = overview.overview(self.actor)
        except NotFound:
            return self.show({"found": None, "of_all": wide})
        attests = has(self.actor, capabilities.LEDGER_ATTEST)
        return self.show(
            {
                "found": found,
                "may_steer": has(self.actor, capabilities.SEQUENCE_MANAGE),
                "of_all": wide,
                "standing": continuity.standing(actor=self.actor) if attests else None,
            }
        )


class SteerForm(forms.Form):
    """What for, which state or cap, and why."""

    stratum = forms.ChoiceField(label=_("For"), required=False)
    state = forms.ChoiceField(label=_("State"), required=False, choices=(("", "–"), *_STATES))
    cap = forms.IntegerField(label=_("Cap"), required=False, min_value=0)
    uncapped = forms.BooleanField(label=_("Take the cap away"), required=False)
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.Textarea(attrs={"rows": 3}))

    def clean(self) -> dict[str, Any]:
        """A cap, or none."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("uncapped") and data.get("cap") is not None:
            self.add_error("uncapped", _("Either a cap, or none."))
        return data


class SteerPage(StepPage):
    """Pause, resume, close, cap."""

    capability = capabilities.SEQUENCE_MANAGE
    title = _("Pause, close or cap randomization")
    explanation = _(
        "A closed stratum or trial never opens again. A cap stops at that many participants; an empty field leaves"
        " the cap as it is. Hospitals are paused under Hospitals."
    )
    form_class = SteerForm

    def prepare(self, form: forms.Form) -> None:
        field: Any = form.fields["stratum"]
        if has_everywhere(self.actor, self.capability):
            field.choices = [("", _("the whole trial"))]
        else:
            field.choices, field.required = [], True
        try:
            field.choices += [(one.key, one.key) for one in overview.overview(self.actor).strata]
        except NotFound:
            return

    def act(self, data: Mapping[str, Any]) -> None:
        asked: dict[str, Any] = {}
        if data["state"]:
            asked["state"] = data["state"]
        if data["cap"] is not None or data["uncapped"]:
            asked["cap"] = data["cap"]
        steering.steer(actor=self.actor, reason=data["reason"], stratum=data["stratum"] or None, **asked)

    def home(self) -> HttpResponse:
        return redirect("randomization")


class AttestForm(forms.Form):
    """What the last mail says."""

    position = forms.IntegerField(label=_("Position in the last mail"), min_value=0)
    head = forms.CharField(label=_("Head of the ledger in the last mail"), min_length=64, max_length=64)


class AttestPage(StepPage):
    """After a restored backup."""

    capability = capabilities.LEDGER_ATTEST
    title = _("Attest the ledger")
    explanation = _(
        "After a restored backup allocation rests until two different people have entered what the last mail of a"
        " randomization says. Take it from your mailbox, not from this system."
    )
    button = _("Attest")
    form_class = AttestForm

    def summary(self) -> list[tuple[Any, Any]]:
        try:
            found = continuity.standing(actor=self.actor)
        except DomainError as error:
            return [(_("State"), error)]
        return [
            (_("State"), _(found.why) if found.why else _("The ledger is unbroken.")),
            (_("Attested so far by"), ", ".join(found.attested_by) or "–"),
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        continuity.attest(actor=self.actor, **data)

    def home(self) -> HttpResponse:
        return redirect("randomization-attest")


class AccessPage(Page):
    """Who had access to the sequence, to be printed (CONSORT 2025 item 19)."""

    capability = capabilities.LEDGER_VIEW
    template = "console/sequence_access.html"
    title = _("Access to the sequence")
    at_once: ClassVar[int] = 100

    def get(self, request: HttpRequest) -> HttpResponse:
        version = ProtocolVersion.objects.current()
        people = dict(User.objects.values_list("pk", "full_name"))
        found, place = overview.noted(self.actor), revealed(request.GET.get("before", ""))
        if place is not None:
            found = found.filter(pk__lt=place)
        whole = "all" in request.GET
        shown = list(found if whole else found[: self.at_once + 1])
        acts = shown if whole else shown[: self.at_once]
        return self.show(
            {
                # What a printed sheet is of, and of when: the head of the page is not printed.
                "trial": version.trial_id if version else "–",
                "at": clock.now(),
                "held": overview.access_log(self.actor),
                "acts": [(event, trail.said(event), people.get(event.actor_id, "")) for event in acts],
                "newer": place is not None,
                "older": conceal(acts[-1].pk) if len(shown) > self.at_once else None,
            }
        )
