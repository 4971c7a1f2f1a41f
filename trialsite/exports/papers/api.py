"""Papers over REST, in the language that the request asks for."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import renderers
from rest_framework.request import Request

from trialsite.casebook.models import Record
from trialsite.core.booklet import Printed
from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint
from trialsite.exports.papers import services
from trialsite.participants.models import Participant
from trialsite.safety import reading
from trialsite.staff.capabilities import PROTOCOL_VIEW, RECORD_VIEW
from trialsite.staff.permissions import actor_of


class PdfRenderer(renderers.BaseRenderer):
    """Lets a client ask for application/pdf; the paper itself is already drawn."""

    media_type = "application/pdf"
    format = "pdf"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return data


def pdf(printed: Printed, name: str) -> HttpResponse:
    """The paper as a file called `name`; X-Content-Hash is the hash of what it says."""
    return HttpResponse(
        printed.pdf,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Hash": printed.content,
        },
    )


_PDF: Any = {(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="A4")}


class Paper(Endpoint):
    """Base of papers."""

    capability = RECORD_VIEW
    renderer_classes = [renderers.JSONRenderer, PdfRenderer]


class CasebookPdf(Paper):
    """The casebook of a participant."""

    @extend_schema(operation_id="participants_casebook_pdf", responses=_PDF)
    def get(self, request: Request, code: str) -> HttpResponse:
        """Every record, query, verification, lock, signature and change that you may see, readable without us."""
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        return pdf(services.casebook_pdf(actor=actor, participant=participant), f"casebook-{code}.pdf")


class NarrativePdf(Paper):
    """The report of a serious adverse event."""

    @extend_schema(operation_id="safety_narrative_pdf", responses=_PDF)
    def get(self, request: Request, code: str, repeat: int) -> HttpResponse:
        """Onset, awareness and reports apart, the clocks, the event's own record and medication at the onset."""
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        report = (
            Record.objects.visible_to(actor)
            .filter(reading.Named().reports, participant=participant, repeat=repeat)
            .first()
        )
        if report is None:
            raise NotFound
        return pdf(services.narrative_pdf(actor=actor, report=report), f"sae-{code}-{repeat}.pdf")


class BlankForms(Paper):
    """Empty forms for days without power."""

    capability = PROTOCOL_VIEW

    @extend_schema(
        operation_id="protocol_blank_forms",
        responses=_PDF,
        parameters=[
            OpenApiParameter(
                "form", str, description="One form; without it all of the visit, or of the protocol."
            ),
            OpenApiParameter("visit", str, description="The forms of one visit."),
            OpenApiParameter(
                "participant", str, description="Prints the code, and takes that protocol version."
            ),
        ],
    )
    def get(self, request: Request) -> HttpResponse:
        """One page or more for each form, drawn from its definition."""
        asked = {name: request.query_params.get(name, "") for name in ("form", "visit", "participant")}
        return pdf(services.blank_forms_pdf(actor=actor_of(request), **asked), "blank-forms.pdf")
