"""Papers to keep: they are drawn when asked for, in the reader's language."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from trialsite.casebook.models import Record
from trialsite.console.pages.base import OfParticipant, Page
from trialsite.core.booklet import TooManyPages
from trialsite.core.errors import NotFound
from trialsite.exports.papers import services
from trialsite.exports.papers.api import pdf
from trialsite.participants.models import Participant
from trialsite.protocol.models import ProtocolVersion
from trialsite.safety import reading
from trialsite.staff import capabilities
from trialsite.staff.access import has, sites_of


class Paper(Page):
    """A paper that would not end is refused with its sentence."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().dispatch(request, *args, **kwargs)
        except TooManyPages as error:
            return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")


class CasebookPdf(Paper, OfParticipant):
    """The participant's casebook."""

    capability = capabilities.RECORD_VIEW

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        printed = services.casebook_pdf(actor=self.actor, participant=self.participant())
        return pdf(printed, f"casebook-{code}.pdf")


class NarrativePdf(Paper):
    """The report of a serious adverse event, by its record."""

    capability = capabilities.RECORD_VIEW

    def get(self, request: HttpRequest, report: int) -> HttpResponse:
        rows = (
            Record.objects.visible_to(self.actor)
            .filter(reading.Named().reports)
            .select_related("participant")
        )
        found = rows.filter(pk=min(report, 2**62)).first()
        if found is None:
            raise NotFound
        printed = services.narrative_pdf(actor=self.actor, report=found)
        return pdf(printed, f"sae-{found.participant.code}-{found.repeat}.pdf")


class BlankFormsPage(Page):
    """Which empty forms to print: all, those of a visit, or one; `?participant=` prints the code on each."""

    capability = capabilities.PROTOCOL_VIEW
    template = "console/blank_forms.html"
    title = gettext_lazy("Blank forms")

    def get(self, request: HttpRequest) -> HttpResponse:
        code = request.GET.get("participant", "")
        whose = Participant.objects.visible_to(self.actor).by_code(code) if code else None
        version = whose.protocol_version if whose else ProtocolVersion.objects.current()
        sees_arms = (
            has(self.actor, capabilities.ARM_SEE, site=whose.site_id)
            if whose
            else sites_of(self.actor, capabilities.ARM_SEE) != []
        )
        definition = version.definition if version else None
        visits = [
            (visit, [form for form in definition.forms_at(visit.code) if sees_arms or not form.reveals_arm])
            for visit in (definition.visits if definition else ())
            if definition and (sees_arms or not visit.reveals_arm)
        ]
        return self.show({"participant": whose, "version": version, "visits": visits})


class BlankFormsPdf(Paper):
    """The empty forms themselves."""

    capability = capabilities.PROTOCOL_VIEW

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = {name: request.GET.get(name, "") for name in ("form", "visit", "participant")}
        return pdf(services.blank_forms_pdf(actor=self.actor, **asked), "blank-forms.pdf")
