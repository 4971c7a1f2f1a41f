"""Forms of key facts, each saved by its own step."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.casebook.models import Record
from trialsite.console import entry
from trialsite.console.pages.base import OfParticipant, Values
from trialsite.core.errors import DomainError, NotFound
from trialsite.enrollment import corrections, facts, services, steps, treatment
from trialsite.enrollment.steps import Step
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form
from trialsite.protocol.parts import Unplayed
from trialsite.staff import capabilities

_CORRECTED_TREATMENT: Final = gettext_lazy(
    "Visits that count from this treatment are dated anew. The former entry stays in the audit trail."
)


class DrivenPage(OfParticipant):
    """A form that records a key fact: surgery, treatment after the randomization, death, withdrawal."""

    template = "console/form.html"
    drives: ClassVar[str] = ""
    step: ClassVar[Step]
    explanation: ClassVar[Any] = ""
    service: ClassVar[Callable[..., Any]]

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return self._draw({})

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        form = self.form_of(participant)
        values = entry.posted(form, request.POST, participant.site.timezone)
        try:
            self.act(participant, values)
        except DomainError as error:
            return self._draw(values, error=error)
        messages.success(request, _("Saved."))
        return self.home()

    def act(self, participant: Participant, values: Values) -> None:
        """Call the step."""
        type(self).service(actor=self.actor, participant=participant, values=values)

    def form_of(self, participant: Participant) -> Form:
        """The form of the key fact; NotFound where the participant's protocol version does not know it."""
        definition = participant.protocol_version.definition
        try:
            return definition.form(definition.parts.driving(self.drives).form)
        except Unplayed as error:
            raise NotFound from error

    def _draw(self, values: Values, *, error: DomainError | None = None) -> HttpResponse:
        participant = self.participant()
        form = self.form_of(participant)
        return self.show(
            {
                "title": f"{participant.code} · {self.step.label}",
                "explanation": self.explanation,
                "participant": participant,
                "form": form,
                "parts": entry.parts(
                    form, values, error.fields if error else {}, zone=participant.site.timezone
                ),
                "error": error,
            },
            status=422 if error else 200,
        )


class SurgeryPage(DrivenPage):
    """The surgery."""

    capability = capabilities.SURGERY_RECORD
    drives = "surgery"
    step = steps.OPERATE
    service = services.operate

    def act(self, participant: Participant, values: Values) -> None:
        services.operate(
            actor=self.actor,
            participant=participant,
            values=values,
            reason=self.request.POST.get("reason", ""),
        )

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        """Where a rule was not kept, with a field for the reason: what has taken place is recorded all the same."""
        error = context["error"]
        explain = error is not None and not error.fields
        reason = self.request.POST.get("reason", "")
        label = _("If the surgery has taken place so: why? It is recorded as a protocol deviation.")
        more = {"explain": explain, "reason": reason, "reason_label": label}
        return super().show({**context, **more}, status=status, template=template)


class CorrectionPage(DrivenPage):
    """A correction of a key fact: of its version, with a reason."""

    @property
    def reason_name(self) -> str:
        """The field of the reason; some forms have an item of that name."""
        return "change_reason" if "reason" in self.form_of(self.participant()).items else "reason"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return self._draw(self._record().data)

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        values = entry.posted(self.form_of(participant), request.POST, participant.site.timezone)
        seen = request.POST.get("version", "")
        try:
            type(self).service(
                actor=self.actor,
                participant=participant,
                values=values,
                expected_version=int(seen[:9]) if seen.isdecimal() else 0,
                reason=request.POST.get(self.reason_name, ""),
            )
        except DomainError as error:
            return self._draw(values, error=error)
        messages.success(request, _("Saved."))
        return self.home()

    def _record(self) -> Record:
        recorded = facts.driving(self.participant(), self.drives)
        found = recorded.filter(pk__in=Record.objects.visible_to(self.actor)).first()
        if found is None:
            raise NotFound
        return found

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        """With the version that is corrected, and the reason."""
        record = self._record()
        seen = self.request.POST.get("version") or record.version
        name = self.reason_name
        reason = {"reason_name": name, "reason": self.request.POST.get(name, "")}
        return super().show(
            {**context, "record": record, "seen": seen, **reason}, status=status, template=template
        )


class CorrectSurgeryPage(CorrectionPage):
    """A correction of the surgery."""

    capability = capabilities.SURGERY_RECORD
    drives = "surgery"
    step = steps.CORRECT_SURGERY
    explanation = gettext_lazy(
        "Open visits are dated anew from the corrected day, and eligibility is judged as of it; what then breaks a "
        "rule is recorded as a deviation with your reason. The former entry stays in the audit trail."
    )
    service = corrections.correct_surgery


class TreatmentPage(DrivenPage):
    """The start of the treatment after randomization."""

    capability = capabilities.SURGERY_RECORD
    drives = "treatment_start"
    step = steps.START_TREATMENT
    service = treatment.start


class CorrectTreatmentPage(CorrectionPage):
    """A correction of that start."""

    capability = capabilities.SURGERY_RECORD
    drives = "treatment_start"
    step = steps.CORRECT_START
    explanation = _CORRECTED_TREATMENT
    service = treatment.correct_start


class EndTreatmentPage(DrivenPage):
    """The end of the treatment after randomization."""

    capability = capabilities.SURGERY_RECORD
    drives = "treatment_end"
    step = steps.END_TREATMENT
    service = treatment.end


class CorrectEndTreatmentPage(CorrectionPage):
    """A correction of that end."""

    capability = capabilities.SURGERY_RECORD
    drives = "treatment_end"
    step = steps.CORRECT_END
    explanation = _CORRECTED_TREATMENT
    service = treatment.correct_end


class DeathPage(DrivenPage):
    """A death."""

    capability = capabilities.END_RECORD
    drives = "death"
    step = steps.DIE
    service = services.record_death


class CorrectDeathPage(CorrectionPage):
    """A correction of the death."""

    capability = capabilities.END_RECORD
    drives = "death"
    step = steps.CORRECT_DEATH
    explanation = gettext_lazy(
        "Visits that closed before the corrected day are expected again. The former entry stays in the audit trail."
    )
    service = corrections.correct_death


class WithdrawalPage(DrivenPage):
    """A withdrawal."""

    capability = capabilities.END_RECORD
    drives = "withdrawal"
    step = steps.WITHDRAW
    service = services.withdraw
