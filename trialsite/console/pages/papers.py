"""Papers to keep: they are drawn when asked for, in the reader's language."""

from django.http import HttpRequest, HttpResponse

from trialsite.console.pages.base import OfParticipant
from trialsite.exports.papers import services
from trialsite.exports.papers.api import pdf
from trialsite.staff import capabilities


class CasebookPdf(OfParticipant):
    """The participant's casebook."""

    capability = capabilities.RECORD_VIEW

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        printed = services.casebook_pdf(actor=self.actor, participant=self.participant())
        return pdf(printed, f"casebook-{code}.pdf")
