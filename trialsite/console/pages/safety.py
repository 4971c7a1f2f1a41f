"""Serious adverse events: which reports wait and until when, the steps of each, and what its two forms tell apart."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from trialsite.casebook.models import Record
from trialsite.console.forms import NewReportForm, ReportStepForm
from trialsite.console.pages.base import Page, StepPage
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.participants.models import Participant
from trialsite.safety import reading, rules, services
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has

# Each with its symbol (a name in the icon font) and its word.
STAGES: Final[Mapping[rules.Stage, tuple[str, Promise]]] = {
    "overdue": ("warning", gettext_lazy("report overdue")),
    "running": ("timer", gettext_lazy("report due")),
    "followed": ("visibility", gettext_lazy("in follow-up")),
    "settled": ("check", gettext_lazy("to be closed")),
    "closed": ("done_all", gettext_lazy("closed")),
}
STEPS: Final[Mapping[services.Step, Promise]] = {
    "to_sponsor": gettext_lazy("Reported to the sponsor"),
    "onward": gettext_lazy("Reported onward"),
    "complete": gettext_lazy("Complete report sent"),
    "close": gettext_lazy("Close the case"),
}
DIFFERENCES: Final[Mapping[str, Promise]] = {
    "names_no_event": gettext_lazy("The report names no adverse event."),
    "event_missing": gettext_lazy("The adverse event that the report names is not recorded."),
    "report_missing": gettext_lazy("The adverse event is serious, but no report names it."),
    "not_marked_serious": gettext_lazy("The adverse event is not marked as serious."),
    "reported_twice": gettext_lazy("Two reports name the same adverse event."),
    "onset_differs": gettext_lazy("The onset is not the same."),
    "outcome_differs": gettext_lazy("The outcome is not the same."),
    "term_differs": gettext_lazy("What happened is not told in the same words."),
}


class SafetyPage(Page):
    """All reports with their clocks, the most urgent first; and where both forms differ."""

    capability = capabilities.RECORD_VIEW
    template = "console/safety.html"
    title = gettext_lazy("Serious adverse events")

    def get(self, request: HttpRequest) -> HttpResponse:
        now = clock.now()
        site, stage = request.GET.get("site", ""), request.GET.get("stage", "")
        found = [one for one in reading.reports(self.actor, now) if site in ("", one.record.site.code)]
        counted = Counter(one.stage for one in found)
        return self.show(
            {
                "reports": [
                    (one, STAGES[one.stage], self._steps(one)) for one in found if stage in ("", one.stage)
                ],
                "stages": [(code, word, counted[code]) for code, (_symbol, word) in STAGES.items()],
                "stage": stage,
                "all": len(found),
                "sites": Site.objects.visible_to(self.actor, capabilities.RECORD_VIEW),
                "site": site,
                "now": now,
                "differences": [
                    (one, DIFFERENCES[one.difference.code])
                    for one in reading.differences(self.actor)
                    if site in ("", one.participant.site.code)
                ],
                "may_edit": has(self.actor, capabilities.RECORD_EDIT),
            }
        )

    def _steps(self, report: reading.Report) -> set[str]:
        """What is left to do, for whoever may."""
        if not has(self.actor, capabilities.RECORD_EDIT, site=report.record.site_id):
            return set()
        waiting = {
            one.name for one in report.clocks if one.state in ("running", "overdue", "unknown", "contradicts")
        }
        return {*waiting, *(["close"] if report.stage == "settled" else [])}


class NewReportPage(StepPage):
    """Whose event it is; then the form."""

    capability = capabilities.RECORD_EDIT
    title = gettext_lazy("New report of a serious adverse event")
    explanation = gettext_lazy(
        "Enter when the hospital became aware first: the period of the report to the sponsor runs from then."
    )
    button = gettext_lazy("To the form")
    form_class = NewReportForm

    def prepare(self, form: forms.Form) -> None:
        field: Any = form.fields["participant"]
        sites = Site.objects.visible_to(self.actor, capabilities.RECORD_EDIT)
        rows = Participant.objects.visible_to(self.actor).filter(site__in=sites)
        field.queryset = rows.exclude(status="registered").order_by("code")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = self.form_class(request.POST)
        self.prepare(form)
        if not form.is_valid():
            return self.draw(form, status=422)
        participant = Participant.objects.visible_to(self.actor).by_code(
            form.cleaned_data["participant"].code
        )
        definition = participant.protocol_version.definition
        if definition.safety is None:
            raise NotFound
        place = definition.parts.collecting(definition.safety.report.form)
        rows = Record.objects.visible_to(self.actor).begun().filter(participant=participant, form=place.form)
        last = rows.order_by("-repeat").values_list("repeat", flat=True).first() or 0
        return redirect("form", participant.code, place.event, place.form, last + 1)


class ReportStepPage(StepPage):
    """One step of a report: when it was made."""

    capability = capabilities.RECORD_EDIT
    form_class = ReportStepForm

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if self.kwargs["step"] not in STEPS:
            raise NotFound
        return super().get(request, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if self.kwargs["step"] not in STEPS:
            raise NotFound
        return super().post(request, **kwargs)

    def _record(self) -> Record:
        rows = Record.objects.visible_to(self.actor).select_related("participant", "site")
        found = rows.filter(reading.Named().reports, pk=self.kwargs["report"]).first()
        if found is None:
            raise NotFound
        return found

    def initial(self) -> dict[str, Any]:
        record = self._record()
        here = clock.local(clock.now(), record.site.timezone).replace(second=0, microsecond=0, tzinfo=None)
        return {"at": here, "seen": record.version}

    def summary(self) -> list[tuple[Any, Any]]:
        report = reading.report(self._record(), reading.Named(), reading.periods(), clock.now())
        zone = report.record.site.timezone
        lines: list[tuple[Any, Any]] = [
            (gettext_lazy("Participant"), report.record.participant.code),
            (gettext_lazy("What happened"), report.case.term or "–"),
            (gettext_lazy("Onset"), report.case.onset or "–"),
        ]
        if report.case.aware:
            aware = f"{clock.local(report.case.aware, zone):%Y-%m-%d %H:%M}"
            lines.append((gettext_lazy("The hospital became aware"), aware))
        due = {one.name: one.due_at for one in report.clocks}.get(self.kwargs["step"])
        if due:
            lines.append((gettext_lazy("Due"), f"{clock.local(due, zone):%Y-%m-%d %H:%M}"))
        return lines

    def act(self, data: Mapping[str, Any]) -> None:
        record = self._record()
        services.note(
            actor=self.actor,
            record=record,
            step=self.kwargs["step"],
            at=clock.wall(data["at"], record.site.timezone),
            seen=data["seen"],
            reason=data["reason"],
        )

    def show(self, context: Mapping[str, Any], *, status: int = 200, template: str = "") -> HttpResponse:
        """Titled by the step."""
        title = f"{self._record().participant.code} · {STEPS[self.kwargs['step']]}"
        return super().show({**context, "title": title}, status=status, template=template)

    def home(self) -> HttpResponse:
        return redirect("safety")
