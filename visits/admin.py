"""Windows on visits, their history, the official calendar and clinic days."""

from typing import cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from trialsite.protocol.windows import ProtocolWindow, by_words, events
from trialsite.staff.access import has_everywhere
from trialsite.staff.capabilities import HOLIDAY_MANAGE, SITE_VIEW, VISIT_VIEW
from trialsite.staff.models import User
from trialsite.staff.windows import Window
from visits.models import Appointment, ClinicDay, FormerWindow, Holiday, HolidayYear, Visit


@admin.register(Visit)
class VisitWindow(ProtocolWindow):
    """Visits with their windows."""

    view_capability = VISIT_VIEW
    list_display = (
        "participant",
        "name",
        "opens_on",
        "target_on",
        "closes_on",
        "state",
        "appointment_at",
        "attended_on",
    )
    list_filter = ("state", ("code", by_words(events)), "site")
    list_select_related = ("participant", "site")
    search_fields = ("participant__code",)
    date_hierarchy = "target_on"
    exclude = ("reveals_arm",)
    readonly_fields = ("name",)

    @admin.display(description=_("visit"), ordering="code")
    def name(self, visit: Visit) -> str:
        return self.event_name(visit.code)


@admin.register(Appointment)
class AppointmentWindow(ProtocolWindow):
    """Every booking as it was made."""

    view_capability = VISIT_VIEW
    list_display = ("participant", "visit_code", "number", "at", "place", "staff", "reason", "made_by")
    list_filter = ("site",)
    list_select_related = ("participant", "visit", "staff", "made_by")
    search_fields = ("participant__code",)
    exclude = ("reveals_arm",)

    @admin.display(description=_("visit"))
    def visit_code(self, appointment: Appointment) -> str:
        return self.event_name(appointment.visit.code)


@admin.register(FormerWindow)
class FormerWindowWindow(ProtocolWindow):
    """Windows that visits had before their anchor was corrected or the protocol changed."""

    view_capability = VISIT_VIEW
    list_display = (
        "participant",
        "visit_code",
        "version",
        "opens_on",
        "target_on",
        "closes_on",
        "reason",
        "moved_by",
    )
    list_filter = ("site",)
    list_select_related = ("participant", "visit", "moved_by")
    search_fields = ("participant__code",)
    exclude = ("reveals_arm",)

    @admin.display(description=_("visit"))
    def visit_code(self, former: FormerWindow) -> str:
        return self.event_name(former.visit.code)


@admin.register(Holiday)
class HolidayWindow(Window):
    """Days of the official calendar."""

    view_capability = SITE_VIEW
    list_display = ("day", "name", "works")
    list_filter = ("works",)
    date_hierarchy = "day"
    actions_list = ("enter", "complete")

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether the buttons show: the calendar is the trial's as a whole."""
        return has_everywhere(cast(User, request.user), HOLIDAY_MANAGE)

    @action(  # type: ignore[untyped-decorator]
        description=_("Enter or correct a day"),
        url_path="enter",
        permissions=["manage"],
    )
    def enter(self, request: HttpRequest) -> HttpResponse:
        """To the page of one day."""
        return redirect("holiday")

    @action(  # type: ignore[untyped-decorator]
        description=_("Complete a year"), url_path="complete", permissions=["manage"]
    )
    def complete(self, request: HttpRequest) -> HttpResponse:
        """To the page of a whole year."""
        return redirect("holiday-year")

    for _one in (enter, complete):
        _one.capability = HOLIDAY_MANAGE
    del _one


@admin.register(HolidayYear)
class HolidayYearWindow(Window):
    """Years whose official calendar is known."""

    view_capability = SITE_VIEW
    list_display = ("year", "source")


@admin.register(ClinicDay)
class ClinicDayWindow(Window):
    """On which weekdays hospitals see participants."""

    view_capability = VISIT_VIEW
    list_display = ("site", "weekday", "starts_at", "capacity")
    list_filter = ("site",)
    list_select_related = ("site",)
