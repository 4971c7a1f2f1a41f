"""A hospital's calendar by month or week, the participant's plan, and what the calendar rests on."""

import calendar as months
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from trialsite.console.pages.base import OfParticipant, Page, StepPage
from trialsite.console.visit_forms import ClinicForm, FeedForm, HolidayForm, YearForm
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.participants.models import Participant
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from visits import days, services
from visits.models import ClinicDay, Feed, Holiday, HolidayYear, Visit

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Entry:
    """One line of a day: an appointment at `at`, a visit that took place, or the target of one nobody has booked."""

    visit: Visit
    kind: str
    at: dt.datetime | None


@dataclass(frozen=True)
class Day:
    """A day of the page."""

    on: dt.date
    kind: str
    name: str
    clinic: bool
    inside: bool
    entries: Sequence[Entry]


class CalendarPage(Page):
    """Month or week of one hospital."""

    capability = capabilities.VISIT_VIEW
    template = "console/calendar.html"
    title = gettext_lazy("Calendar")

    def get(self, request: HttpRequest) -> HttpResponse:
        sites = list(Site.objects.visible_to(self.actor, capabilities.VISIT_VIEW))
        if not sites:
            raise NotFound
        site = next((one for one in sites if one.code == request.GET.get("site")), sites[0])
        today = clock.today(site.timezone)
        on, by = _asked(request, today)
        first, last, earlier, later = _span(on, by)
        shown = list(self._days(site, first, last, on.month if by == "month" else None))
        return self.show(
            {
                "sites": sites,
                "site": site,
                "by": by,
                "on": on,
                "today": today,
                "first": first,
                "last": last,
                "earlier": earlier,
                "later": later,
                "weeks": [shown[place : place + 7] for place in range(0, len(shown), 7)],
                "weekdays": [WEEKDAYS[number] for number in range(7)],
                "unknown": sorted({day.on.year for day in shown if day.kind == "unknown"}),
                "may_clinic": has(self.actor, capabilities.CLINIC_MANAGE, site=site),
            }
        )

    def _days(self, site: Site, first: dt.date, last: dt.date, month: int | None) -> Sequence[Day]:
        calendar = days.official(first, last)
        names = dict(Holiday.objects.filter(day__range=(first, last)).values_list("day", "name"))
        held = set(
            ClinicDay.objects.visible_to(self.actor).filter(site=site).values_list("weekday", flat=True)
        )
        entries = self._entries(site, first, last)
        return [
            Day(
                on=day,
                kind=calendar.kind(day),
                name=_(names[day]) if day in names else "",
                clinic=not held or day.weekday() in held,
                inside=month is None or day.month == month,
                entries=entries[day],
            )
            for day in (first + shift * _DAY for shift in range((last - first).days + 1))
        ]

    def _entries(self, site: Site, first: dt.date, last: dt.date) -> Mapping[dt.date, list[Entry]]:
        """Three kinds of lines, each read once for the whole page."""
        rows = (
            Visit.objects.visible_to(self.actor)
            .filter(site=site)
            .select_related("participant", "staff", "site")
        )
        since = dt.datetime.combine(first - _DAY, dt.time(), dt.UTC)
        until = dt.datetime.combine(last + 2 * _DAY, dt.time(), dt.UTC)
        found: dict[dt.date, list[Entry]] = defaultdict(list)
        for visit in rows.filter(state="booked", appointment_at__range=(since, until)).order_by(
            "appointment_at"
        ):
            if visit.appointment_at:
                local = clock.local_date(visit.appointment_at, site.timezone)
                found[local].append(Entry(visit, "booked", visit.appointment_at))
        for visit in rows.filter(state="attended", attended_on__range=(first, last)).order_by(
            "attended_on", "pk"
        ):
            if visit.attended_on:
                found[visit.attended_on].append(Entry(visit, "attended", None))
        for visit in rows.filter(state="expected", target_on__range=(first, last)).order_by(
            "target_on", "pk"
        ):
            found[visit.target_on].append(Entry(visit, "expected", None))
        return found


def _asked(request: HttpRequest, today: dt.date) -> tuple[dt.date, str]:
    try:
        on = dt.date.fromisoformat(request.GET.get("on", ""))
    except ValueError:
        on = today
    inside = dt.date(2000, 1, 1) <= on <= dt.date(2099, 12, 31)
    return (on if inside else today), ("week" if request.GET.get("by") == "week" else "month")


def _span(on: dt.date, by: str) -> tuple[dt.date, dt.date, dt.date, dt.date]:
    """First and last day of the page, which are a Monday and a Sunday, and a day of the page before and after."""
    if by == "week":
        first = on - on.weekday() * _DAY
        return first, first + 6 * _DAY, on - 7 * _DAY, on + 7 * _DAY
    begin = on.replace(day=1)
    end = on.replace(day=months.monthrange(on.year, on.month)[1])
    first = begin - begin.weekday() * _DAY
    return first, end + (6 - end.weekday()) * _DAY, begin - _DAY, end + _DAY


class PlanPage(OfParticipant):
    """The plan of visits to print for the participant, in either language; it tells neither arm nor illness."""

    capability = capabilities.VISIT_VIEW
    template = "console/plan.html"

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        participant = self.participant()
        language = request.GET.get("language", "zh-hans")
        if language not in ("zh-hans", "en"):
            language = "zh-hans"
        with override(language):
            return self.show(
                {
                    "title": _("Plan of your visits"),
                    "participant": participant,
                    "language": language,
                    "planned": _plan(participant, language),
                    "printed_on": clock.today(participant.site.timezone),
                }
            )


def _plan(participant: Participant, language: str) -> list[tuple[str, Visit]]:
    """Visits that everybody has, whatever the arm, and that are still to come."""
    definition = participant.protocol_version.definition
    rows = (
        Visit.objects.open()
        .filter(participant=participant, reveals_arm=False)
        .exclude(code=definition.parts.randomization.code)
    )
    names = {visit.code: visit.name.to(language) for visit in definition.visits if not visit.reveals_arm}
    return [(names.get(visit.code, ""), visit) for visit in rows.order_by("target_on", "pk")]


class ClinicPage(StepPage):
    """The clinic days of one hospital."""

    capability = capabilities.CLINIC_MANAGE
    title = gettext_lazy("Clinic days")
    form_class = ClinicForm
    explanation = gettext_lazy(
        "Appointments are suggested on these weekdays. Where none is chosen, every working day will do."
    )

    def site(self) -> Site:
        """NotFound for a hospital where the actor does not keep the clinic days."""
        found = Site.objects.visible_to(self.actor, capabilities.CLINIC_MANAGE).filter(
            code=self.kwargs["site"]
        )
        site = found.first()
        if site is None:
            raise NotFound
        return site

    def summary(self) -> list[tuple[Any, Any]]:
        return [(_("Hospital"), self.site().name)]

    def initial(self) -> dict[str, Any]:
        held = list(ClinicDay.objects.visible_to(self.actor).filter(site=self.site()))
        if not held:
            return {}
        return {
            "weekdays": [str(day.weekday) for day in held],
            "starts_at": held[0].starts_at.strftime("%H:%M"),
            "capacity": held[0].capacity,
        }

    def act(self, data: Mapping[str, Any]) -> None:
        services.set_clinic_days(
            actor=self.actor,
            site=self.site(),
            days=[
                services.Opening(int(weekday), data["starts_at"], data["capacity"])
                for weekday in data["weekdays"]
            ],
            reason=data["reason"],
        )

    def home(self) -> HttpResponse:
        return redirect(f"{reverse('calendar')}?site={self.kwargs['site']}")


class HolidayPage(StepPage):
    """A day of the official calendar."""

    capability = capabilities.HOLIDAY_MANAGE
    trial_wide = True
    title = gettext_lazy("Enter or correct a day of the official calendar")
    form_class = HolidayForm

    def act(self, data: Mapping[str, Any]) -> None:
        services.set_holiday(actor=self.actor, **data)

    def home(self) -> HttpResponse:
        return redirect("admin:visits_holiday_changelist")


class YearPage(StepPage):
    """A year of the official calendar."""

    capability = capabilities.HOLIDAY_MANAGE
    trial_wide = True
    title = gettext_lazy("Declare the calendar of a year complete")
    form_class = YearForm
    explanation = gettext_lazy(
        "Until a year is complete its days are shown as unknown, never as working days."
    )

    def summary(self) -> list[tuple[Any, Any]]:
        known = HolidayYear.objects.order_by("year").values_list("year", flat=True)
        return [(_("Known years"), ", ".join(map(str, known)) or "–")]

    def act(self, data: Mapping[str, Any]) -> None:
        services.complete_year(actor=self.actor, **data)

    def home(self) -> HttpResponse:
        return redirect("admin:visits_holidayyear_changelist")


class FeedsPage(StepPage):
    """One's own calendar feeds: make one, see which there are, revoke one."""

    capability = capabilities.FEED_OWN
    template = "console/feeds.html"
    title = gettext_lazy("Appointments in your own calendar")
    form_class = FeedForm
    button = gettext_lazy("Make an address")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        revoked = request.POST.get("revoke", "")
        if revoked.isdecimal():
            feed = Feed.objects.filter(user=self.actor, pk=int(revoked[:18])).first()
            if feed is None:
                raise NotFound
            services.revoke_feed(actor=self.actor, feed=feed)
            return redirect("feeds")
        form = FeedForm(request.POST)
        if not form.is_valid():
            return self.draw(form, status=422)
        _feed, secret = services.make_feed(actor=self.actor, name=form.cleaned_data["name"])
        address = request.build_absolute_uri(reverse("feed", args=[secret]))
        return self.show(
            {"form": FeedForm(), "button": self.button, "address": address, "feeds": self._feeds()}
        )

    def draw(self, form: Any, *, status: int = 200) -> HttpResponse:
        return self.show({"form": form, "button": self.button, "feeds": self._feeds()}, status=status)

    def _feeds(self) -> list[Feed]:
        return list(Feed.objects.filter(user=self.actor))
