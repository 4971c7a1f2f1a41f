"""The screening log, the same person again, and the move to another hospital."""

import csv
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from trialsite.audit.notes import note
from trialsite.console.forms import IdentityForm, PlanSurgeryForm, RegisterForm, TransferForm
from trialsite.console.pages.base import Page, StepPage
from trialsite.enrollment import planning, services
from trialsite.participants import screening
from trialsite.participants import services as participants
from trialsite.participants.models import Identity, Participant, SamePerson
from trialsite.sites.models import Site
from trialsite.staff import capabilities

_HEAD = (
    "code",
    "site",
    "attempt",
    "previous",
    "same_person",
    "registered",
    "consented",
    "status",
    "reason",
    "criteria",
    "note",
)


class PlanSurgeryPage(StepPage):
    """The day for which the surgery is planned."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("Plan the surgery")
    explanation = gettext_lazy(
        "The validity of laboratory values, images and tests counts back from this day. Where it moves, a signature on "
        "eligibility that was given for another day falls."
    )
    form_class = PlanSurgeryForm

    def initial(self) -> dict[str, Any]:
        return {"surgery_on": self.participant().planned_surgery_on}

    def act(self, data: Mapping[str, Any]) -> None:
        planning.plan_surgery(actor=self.actor, participant=self.participant(), **data)


class LogPage(Page):
    """Every attempt with its outcome."""

    capability = capabilities.PARTICIPANT_VIEW
    template = "console/screening_log.html"
    title = gettext_lazy("Screening log")

    def get(self, request: HttpRequest) -> HttpResponse:
        site = request.GET.get("site", "")
        return self.show(
            {
                "lines": [
                    (line.attempt, _criteria(line.attempt), line.same_person)
                    for line in screening.lines(self.actor, site=site)
                ],
                "sites": Site.objects.visible_to(self.actor, "participant.view"),
                "site": site,
            }
        )


def _criteria(attempt: Participant) -> list[tuple[str, str]]:
    """(id, title) of the criteria that failed, as the attempt's version words them."""
    failure = getattr(attempt, "screen_failure", None)
    if failure is None:
        return []
    titles = {one.id: one.title for one in attempt.protocol_version.definition.criteria}
    language = get_language() or "en"
    return [(code, titles[code].to(language) if code in titles else "") for code in failure.criteria]


class LogCsv(Page):
    """The same as a file; that it was taken along is recorded."""

    capability = capabilities.PARTICIPANT_VIEW

    def get(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        note(actor=self.actor, action="export", about="screening_log")
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="screening-log.csv"'
        answer.write("\ufeff")
        sheet = csv.writer(answer)
        sheet.writerow(_HEAD)
        sheet.writerows(_cells(screening.lines(self.actor, site=request.GET.get("site", ""))))
        return answer


def _cells(lines: Iterable[screening.Line]) -> Iterator[list[str]]:
    for line in lines:
        one: Any = line.attempt
        failure = getattr(one, "screen_failure", None)
        cells = [
            one.code,
            one.site.code,
            str(one.attempt),
            one.previous.code if one.previous else "",
            " ".join(line.same_person),
            one.created_at.isoformat(timespec="minutes"),
            one.consented_at.isoformat(timespec="minutes") if one.consented_at else "",
            one.status,
            failure.reason if failure else "",
            " ".join(failure.criteria) if failure else "",
            failure.note if failure else "",
        ]
        # A sheet must not take a note for a formula.
        yield [f"'{text}" if text[:1] in "=+-@\t\r" and text else text for text in cells]


class RescreenPage(StepPage):
    """A new attempt after a screen failure."""

    capability = capabilities.PARTICIPANT_REGISTER
    title = gettext_lazy("Screen anew")
    explanation = gettext_lazy(
        "The person gets a new code, linked to this attempt. Consent and screening begin anew."
    )
    button = gettext_lazy("Register the new attempt")
    made: Participant

    class form_class(forms.Form):  # noqa: N801 -- the base page names it so
        """The key makes a double click harmless."""

        key = RegisterForm.base_fields["key"]

    def initial(self) -> dict[str, Any]:
        return {"key": secrets.token_hex(16)}

    def act(self, data: Mapping[str, Any]) -> None:
        self.made = services.rescreen(
            actor=self.actor, participant=self.participant(), registration_key=data["key"]
        )

    def home(self) -> HttpResponse:
        return redirect("participant", code=self.made.code)


class IdentityPage(StepPage):
    """Who it is, to recognise the person when they come again."""

    capability = capabilities.PARTICIPANT_REGISTER
    title = gettext_lazy("Identity check")
    explanation = gettext_lazy(
        "What you enter is not kept: only a keyed digest, by which the same person is recognised."
    )
    form_class = IdentityForm

    def prepare(self, form: forms.Form) -> None:
        known = Identity.objects.filter(participant=self.participant()).first()
        form.fields.pop("unavailable" if known and known.digests else "reason", None)

    def summary(self) -> list[tuple[Any, Any]]:
        known = Identity.objects.filter(participant=self.participant()).first()
        state = _("not entered yet") if known is None else known.unavailable or _("entered")
        return [(_("Who it is"), state)]

    def act(self, data: Mapping[str, Any]) -> None:
        given, participant = dict(data), self.participant()
        if unavailable := given.pop("unavailable", ""):
            participants.identity_not_available(actor=self.actor, participant=participant, reason=unavailable)
            return
        same = participants.record_identity(actor=self.actor, participant=participant, **given)
        if same:
            codes = ", ".join(one.code for one in same)
            messages.warning(
                self.request, _("This person is known at this hospital as {codes}.").format(codes=codes)
            )


class TransferPage(StepPage):
    """The move to another hospital."""

    capability = capabilities.PARTICIPANT_TRANSFER
    trial_wide = True
    title = gettext_lazy("Transfer to another hospital")
    explanation = gettext_lazy(
        "Code, arm and stratum stay. From then on the new hospital sees the participant, and this one does not."
    )
    button = gettext_lazy("Transfer")
    form_class = TransferForm

    def prepare(self, form: forms.Form) -> None:
        site: Any = form.fields["site"]
        site.queryset = Site.objects.filter(state="active").exclude(pk=self.participant().site_id)

    def act(self, data: Mapping[str, Any]) -> None:
        participants.transfer(
            actor=self.actor, participant=self.participant(), to=data["site"], reason=data["reason"]
        )


class SamePersonPage(Page):
    """Persons at two hospitals."""

    capability = capabilities.IDENTITY_REVIEW
    template = "console/same_person.html"
    title = gettext_lazy("Same person")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(
            {
                "pairs": SamePerson.objects.select_related(
                    "first__site", "second__site", "first__identity", "second__identity"
                )
            }
        )
