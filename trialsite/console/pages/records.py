"""Forms of the casebook, drawn from their definition."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from trialsite.casebook import services as casebook
from trialsite.casebook.models import Record
from trialsite.casebook.rules import entered
from trialsite.console import criteria, entry
from trialsite.console.pages.base import OfParticipant, Values
from trialsite.core.errors import DomainError, NotFound
from trialsite.enrollment import corrections, facts, services
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form, Unknown
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User


class FormPage(OfParticipant):
    """One form of the casebook, drawn from its definition."""

    capability = capabilities.RECORD_EDIT
    template = "console/form.html"

    def get(self, request: HttpRequest, code: str, event: str, form: str) -> HttpResponse:
        participant, described = self._described(event, form)
        record = self._record(participant, event, form)
        return self._draw(participant, event, described, record, record.data if record else {})

    def post(self, request: HttpRequest, code: str, event: str, form: str) -> HttpResponse:
        participant, described = self._described(event, form)
        values = entry.posted(described, request.POST)
        seen = request.POST.get("version", "")
        try:
            saved = casebook.save_record(
                actor=self.actor,
                participant=participant,
                event=event,
                form=form,
                values=values,
                expected_version=int(seen) if seen.isdecimal() and seen != "0" else None,
                reason=request.POST.get("reason", ""),
                complete="draft" not in request.POST,
            )
        except DomainError as error:
            record = self._record(participant, event, form)
            return self._draw(participant, event, described, record, values, error=error)
        if saved.fallen:
            messages.warning(
                request, _("The signature that covered this form has fallen. It must be signed again.")
            )
        if saved.queries:
            messages.warning(request, _("Saved. Please look at the questions beside the fields."))
            return redirect(request.path)
        messages.success(request, _("Saved."))
        return self.home()

    def _described(self, event: str, form: str) -> tuple[Participant, Form]:
        participant = self.participant()
        definition = participant.protocol_version.definition
        try:
            described = definition.form(form)
            known = form in definition.visit(event).forms
        except Unknown as error:
            raise NotFound from error
        if not known or described.drives:
            raise NotFound
        return participant, described

    def _record(self, participant: Participant, event: str, form: str) -> Record | None:
        rows = Record.objects.visible_to(self.actor)
        return rows.filter(participant=participant, event=event, form=form, repeat=1).first()

    def _draw(
        self,
        participant: Participant,
        event: str,
        form: Form,
        record: Record | None,
        values: Values,
        *,
        error: DomainError | None = None,
    ) -> HttpResponse:
        queries = {query.item: query.text for query in record.queries.open()} if record else {}
        return self.show(
            {
                "title": f"{participant.code} · {form.name.to(self.request.LANGUAGE_CODE)}",
                "participant": participant,
                "form": form,
                "record": record,
                "parts": entry.parts(form, values, error.fields if error else {}, queries),
                "error": error,
                "reason": self.request.POST.get("reason", ""),
                "seen": self.request.POST.get("version") or (record.version if record else 0),
                "drafting": True,
                "event": event,
                "live": live(self.actor, participant, event, form, values if error else None, record),
                "others": self._others(participant, event, form),
            },
            status=422 if error else 200,
        )

    def _others(
        self, participant: Participant, event: str, form: Form
    ) -> list[tuple[Form, Record | None, bool]]:
        """The forms of the same event with what is stored of them, to go from one to the next."""
        definition = participant.protocol_version.definition
        rows = Record.objects.visible_to(self.actor).filter(participant=participant, event=event, repeat=1)
        stored = {record.form: record for record in rows}
        return [
            (one, stored.get(one.code), one.code == form.code)
            for one in definition.forms_at(event)
            if not one.drives and not one.repeating
        ]


class LivePage(FormPage):
    """The verdict over what stands in the fields just now: computed by the server, nothing is stored."""

    template = "console/live.html"

    def post(self, request: HttpRequest, code: str, event: str, form: str) -> HttpResponse:
        participant, described = self._described(event, form)
        values = entry.posted(described, request.POST)
        shown = live(self.actor, participant, event, described, values, None)
        if shown is None:
            raise NotFound
        return render(request, self.template, {"live": shown, "swapping": True})


def live(
    actor: User,
    participant: Participant,
    event: str,
    form: Form,
    values: Values | None,
    record: Record | None,
) -> dict[str, Any] | None:
    """What the panel beside a form of screening or recheck shows; None beside other forms.

    `values` are entries not yet saved; None takes the stored `record`.
    """
    if event not in (*facts.SCREENING, *facts.BEFORE_RANDOMIZATION):
        return None
    if not has(actor, capabilities.ELIGIBILITY_VIEW, site=participant.site_id):
        return None
    definition = participant.protocol_version.definition
    bearing = criteria.bearing_on(definition, form.code)
    if not bearing:
        return None
    entries = values if values is not None else entered(record.data, form) if record else {}
    tried = casebook.try_values(participant=participant, event=event, form=form, values=entries)
    t0 = facts.reference_day(participant)
    verdict = facts.preview(participant, event, form, tried.data, t0)
    rows = [
        (criterion, finding, missing, criteria.compared(definition, finding))
        for criterion, finding, _inputs, missing in criteria.explained(definition, verdict)
        if criterion.id in bearing
    ]
    states = [one.satisfied for one in verdict.findings]
    return {
        "verdict": verdict,
        "t0": t0,
        "rows": rows,
        "satisfied": states.count(True),
        "failing": states.count(False),
        "open": states.count(None),
        "faults": [
            (form.items[name].label, texts) for name, texts in tried.faults.items() if name in form.items
        ],
        "computed": {
            name: tried.data.get(name, {}).get("value", "–")
            for name, item in form.items.items()
            if item.derive
        },
        "not_asked": " ".join(sorted(tried.not_asked)),
    }


class DrivenPage(OfParticipant):
    """A form that records a key fact: surgery, start of SBRT, death, withdrawal."""

    template = "console/form.html"
    form_code: ClassVar[str] = ""
    service: ClassVar[Callable[..., Any]]

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return self._draw({})

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        form = participant.protocol_version.definition.form(self.form_code)
        values = entry.posted(form, request.POST)
        try:
            type(self).service(actor=self.actor, participant=participant, values=values)
        except DomainError as error:
            return self._draw(values, error=error)
        messages.success(request, _("Saved."))
        return self.home()

    def _draw(self, values: Values, *, error: DomainError | None = None) -> HttpResponse:
        participant = self.participant()
        form = participant.protocol_version.definition.form(self.form_code)
        return self.show(
            {
                "title": f"{participant.code} · {form.name.to(self.request.LANGUAGE_CODE)}",
                "participant": participant,
                "form": form,
                "parts": entry.parts(form, values, error.fields if error else {}),
                "error": error,
            },
            status=422 if error else 200,
        )


class SurgeryPage(DrivenPage):
    """The surgery."""

    capability = capabilities.SURGERY_RECORD
    form_code = "surgery"
    service = services.operate


class CorrectSurgeryPage(DrivenPage):
    """A correction of the surgery: of its version, with a reason."""

    capability = capabilities.SURGERY_RECORD
    form_code = "surgery"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return self._draw(self._record().data)

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        values = entry.posted(participant.protocol_version.definition.form(self.form_code), request.POST)
        seen = request.POST.get("version", "")
        try:
            moved = corrections.correct_surgery(
                actor=self.actor,
                participant=participant,
                values=values,
                expected_version=int(seen[:9]) if seen.isdecimal() else 0,
                reason=request.POST.get("reason", ""),
            )
        except DomainError as error:
            return self._draw(values, error=error)
        messages.success(request, _("Saved. Windows that moved: {number}.").format(number=len(moved)))
        return self.home()

    def _record(self) -> Record:
        rows = Record.objects.visible_to(self.actor)
        found = rows.filter(participant=self.participant(), event="SURG", form=self.form_code).first()
        if found is None:
            raise NotFound
        return found

    def show(self, context: Values, *, status: int = 200) -> HttpResponse:
        """With the version that is corrected, and the reason."""
        record = self._record()
        seen = self.request.POST.get("version") or record.version
        reason = self.request.POST.get("reason", "")
        return super().show({**context, "record": record, "seen": seen, "reason": reason}, status=status)


class SbrtPage(DrivenPage):
    """The start of SBRT."""

    capability = capabilities.SURGERY_RECORD
    form_code = "sbrt"
    service = services.start_sbrt


class DeathPage(DrivenPage):
    """A death."""

    capability = capabilities.END_RECORD
    form_code = "death"
    service = services.record_death


class WithdrawalPage(DrivenPage):
    """A withdrawal."""

    capability = capabilities.END_RECORD
    form_code = "withdrawal"
    service = services.withdraw
