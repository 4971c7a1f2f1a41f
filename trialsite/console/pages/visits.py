"""What is done with one visit."""

from collections.abc import Mapping
from typing import Any

from django.http import (
    HttpResponse,
)
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.forms import (
    AttendForm,
    BookForm,
    ReasonForm,
)
from trialsite.console.pages.base import StepPage
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.staff import capabilities
from visits import services as visits
from visits.models import Visit


class VisitStep(StepPage):
    """Base of what is done with one visit."""

    capability = capabilities.VISIT_MANAGE

    def visit(self) -> Visit:
        """NotFound for one that may not be seen."""
        rows = Visit.objects.visible_to(self.actor).select_related("participant", "site")
        found = rows.filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise NotFound
        return found

    def summary(self) -> list[tuple[Any, Any]]:
        visit = self.visit()
        return [
            (_("Participant"), visit.participant.code),
            (_("Visit"), visit.code),
            (_("Window"), f"{visit.opens_on} – {visit.closes_on}"),
            (_("Appointment"), visit.appointment_at or "–"),
        ]

    def home(self) -> HttpResponse:
        return redirect("participant", code=self.visit().participant.code)


class BookPage(VisitStep):
    """Book or move an appointment."""

    title = gettext_lazy("Book an appointment")
    form_class = BookForm

    def act(self, data: Mapping[str, Any]) -> None:
        visits.book(actor=self.actor, visit=self.visit(), **data)


class AttendPage(VisitStep):
    """The participant came."""

    title = gettext_lazy("Record the visit")
    form_class = AttendForm

    def initial(self) -> dict[str, Any]:
        return {"on": clock.today(self.visit().site.timezone)}

    def act(self, data: Mapping[str, Any]) -> None:
        visits.attend(actor=self.actor, visit=self.visit(), **data)


class MissPage(VisitStep):
    """The visit did not take place."""

    title = gettext_lazy("Record a missed visit")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        visits.miss(actor=self.actor, visit=self.visit(), **data)
