"""What is done with one visit."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.forms import ReasonForm
from trialsite.console.pages.base import Page, StepPage, Values
from trialsite.console.visit_forms import AttendForm, BookForm, CorrectForm, UnscheduledForm
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.enrollment import corrections
from trialsite.enrollment.steps import worded
from trialsite.protocol.definition import Form
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import Membership, User
from visits import days, reading, rules
from visits import services as visits
from visits.models import Visit


def visible(actor: User, pk: int) -> Visit:
    """NotFound for a visit that `actor` may not see."""
    rows = Visit.objects.visible_to(actor).select_related("participant__protocol_version", "site", "staff")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found


def colleagues(visit: Visit) -> Any:
    """Who keeps appointments at the visit's hospital."""
    roles = [
        role
        for role, held in capabilities.CAPABILITIES.items()
        if capabilities.VISIT_MANAGE in held and role != "machine"
    ]
    here = Membership.objects.current().filter(Q(site=visit.site_id) | Q(site=None), role__in=roles)
    return User.objects.filter(is_active=True, pk__in=here.values("user")).order_by("full_name")


class VisitPage(Page):
    """One visit with its history."""

    capability = capabilities.VISIT_VIEW
    template = "console/visit.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        visit = visible(self.actor, pk)
        definition = visit.participant.protocol_version.definition
        at = visit.appointment_at
        local = at and clock.local_date(at, visit.site.timezone)
        planned = visit.kind != "unscheduled"
        may_read = has(self.actor, capabilities.RECORD_VIEW, site=visit.site_id)
        return self.show(
            {
                "title": f"{visit.participant.code} · {visit.code}",
                "visit": visit,
                "reason": worded(visit.reason),
                "name": definition.name_of(visit.code),
                "open": visit.state in rules.OPEN,
                "settled": visit.state in (Visit.State.ATTENDED, Visit.State.MISSED),
                "by_step": visit.code == definition.parts.randomization.code,
                "astray": planned and local is not None and not visit.window.holds(local),
                "may_manage": has(self.actor, capabilities.VISIT_MANAGE, site=visit.site_id),
                "counting": [
                    (definition.form(row.form).name.to(request.LANGUAGE_CODE), row)
                    for row in (reading.counting_records(self.actor, visit) if planned and may_read else [])
                ],
                "forms": self._forms(visit) if may_read else [],
                "appointments": visit.appointments.select_related("staff", "made_by"),
                "former": visit.former_windows.select_related("moved_by"),
            }
        )

    def _forms(self, visit: Visit) -> list[tuple[Form, str]]:
        """The forms of the visit with their pages; of a numbered unscheduled visit, those of its number."""
        definition = visit.participant.protocol_version.definition
        sees_arms = has(self.actor, capabilities.ARM_SEE, site=visit.site_id)
        place = (visit.participant.code, visit.code)
        if visit.code not in {one.code for one in definition.visits}:
            return []
        return [
            (form, reverse("form", args=[*place, form.code, *([] if form.repeating else [visit.repeat])]))
            for form in definition.forms_at(visit.code)
            if sees_arms or not form.reveals_arm
        ]


class VisitStep(StepPage):
    """Base of what is done with one visit."""

    capability = capabilities.VISIT_MANAGE

    def visit(self) -> Visit:
        """NotFound for one that may not be seen."""
        return visible(self.actor, self.kwargs["pk"])

    def summary(self) -> list[tuple[Any, Any]]:
        visit = self.visit()
        at = visit.appointment_at
        return [
            (_("Participant"), visit.participant.code),
            (_("Visit"), visit.code),
            (_("Window"), f"{visit.opens_on} – {visit.closes_on}"),
            (_("Appointment"), at.astimezone().strftime("%Y-%m-%d %H:%M") if at else "–"),
        ]

    def home(self) -> HttpResponse:
        """Back to where the step was taken from."""
        if self.request.POST.get("back") == "worklist":
            return redirect("worklist")
        return redirect("participant", code=self.visit().participant.code)


class BookPage(VisitStep):
    """Book or move an appointment, with days that suit."""

    title = gettext_lazy("Book an appointment")
    template = "console/book.html"
    form_class = BookForm

    def initial(self) -> dict[str, Any]:
        visit = self.visit()
        return {
            "at": self.request.GET.get("at") or visit.appointment_at,
            "place": visit.place,
            "staff": visit.staff_id,
            "seen": visit.bookings,
        }

    def prepare(self, form: forms.Form) -> None:
        staff: Any = form.fields["staff"]
        staff.queryset = colleagues(self.visit())
        staff.label_from_instance = lambda user: user.full_name

    def show(self, context: Values, *, status: int = 200, template: str = "") -> HttpResponse:
        """With the days that suit."""
        visit = self.visit()
        slots = days.suggest(self.actor, [visit]).get(visit.pk, [])
        uncertain = any(not slot.certain for slot in slots)
        return super().show(
            {**context, "slots": slots, "uncertain": uncertain}, status=status, template=template
        )

    def act(self, data: Mapping[str, Any]) -> None:
        visits.book(actor=self.actor, visit=self.visit(), **data)


class CancelPage(VisitStep):
    """Take the appointment back."""

    title = gettext_lazy("Cancel the appointment")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        visits.cancel(actor=self.actor, visit=self.visit(), **data)


class AttendPage(VisitStep):
    """The participant came."""

    title = gettext_lazy("Record the visit")
    form_class = AttendForm
    explanation = gettext_lazy(
        "Outside the window the visit is recorded as a protocol deviation, with your reason."
    )

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


class CorrectPage(VisitStep):
    """What was recorded of a settled visit was wrong."""

    title = gettext_lazy("Correct what was recorded of the visit")
    form_class = CorrectForm
    explanation = gettext_lazy(
        "Without a date the visit has not taken place and is expected again. "
        "A deviation that was recorded stays: mend it on its form."
    )

    def initial(self) -> dict[str, Any]:
        return {"on": self.visit().attended_on}

    def act(self, data: Mapping[str, Any]) -> None:
        visits.correct(actor=self.actor, visit=self.visit(), **data)


class UnscheduledPage(StepPage):
    """A visit outside the schedule."""

    capability = capabilities.VISIT_MANAGE
    title = gettext_lazy("Unscheduled visit")
    form_class = UnscheduledForm
    explanation = gettext_lazy("It takes the place of no planned visit.")

    def act(self, data: Mapping[str, Any]) -> None:
        visits.unscheduled(actor=self.actor, participant=self.participant(), **data)


class ResumePage(StepPage):
    """The randomization can take place after all."""

    capability = capabilities.END_RECORD
    title = gettext_lazy("Take back that randomization will not take place")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        corrections.resume_randomization(actor=self.actor, participant=self.participant(), **data)


class ForgoPage(StepPage):
    """An operated participant will not be randomized."""

    capability = capabilities.END_RECORD
    title = gettext_lazy("Record that randomization will not take place")
    form_class = ReasonForm

    def act(self, data: Mapping[str, Any]) -> None:
        corrections.forgo_randomization(actor=self.actor, participant=self.participant(), **data)
