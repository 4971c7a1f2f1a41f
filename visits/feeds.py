"""A person's appointments as iCalendar (RFC 5545), under a secret address."""

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Final

from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.views import View

from trialsite.audit.context import bind_request
from trialsite.core import clock
from trialsite.staff.access import has
from trialsite.staff.capabilities import FEED_OWN, PUBLIC, VISIT_VIEW
from trialsite.staff.models import User
from visits.models import Appointment, Feed, Visit, VisitQuerySet
from visits.services.feeds import digest_of

if TYPE_CHECKING:
    from icalendar import Event

_PAST: Final = dt.timedelta(days=30)
_LASTS: Final = dt.timedelta(minutes=30)


class FeedView(View):
    """The appointments of whoever holds the address. Revoked, unknown and closed accounts: the same 404.

    The address alone opens it, since calendar programs cannot sign in; so it carries codes and times alone:
    it names neither people nor visits, and no place, since a place is free text that could.
    """

    capability = PUBLIC
    http_method_names = ("get", "head")

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        feed = Feed.objects.filter(digest=digest_of(secret), revoked_at=None).select_related("user").first()
        if feed is None or not feed.user.is_active or not has(feed.user, FEED_OWN):
            raise Http404
        bind_request(feed.user)
        body = calendar(feed.user)
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        answer: HttpResponse
        if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
            answer = HttpResponseNotModified()
        else:
            answer = HttpResponse(body, content_type="text/calendar; charset=utf-8")
        answer["ETag"] = etag
        answer["Cache-Control"] = "private, no-cache"
        return answer


def appointments(user: User) -> VisitQuerySet:
    """Appointments with `user`, or with nobody in particular at the hospitals of `user`."""
    made = Appointment.objects.filter(visit=OuterRef("pk"), number=OuterRef("bookings"))
    rows: VisitQuerySet = (
        Visit.objects.visible_to(user)
        .filter(Q(staff=user) | Q(staff=None), state=Visit.State.BOOKED)
        .filter(appointment_at__gte=clock.now() - _PAST)
        .select_related("participant", "site")
        .annotate(made_at=Subquery(made.values("created_at")[:1]))
        .order_by("appointment_at", "pk")
    )
    return rows


def calendar(user: User) -> bytes:
    """The feed. The same appointments give the same bytes."""
    from icalendar import Calendar  # here: reading it would slow the start of every process

    feed = Calendar()
    feed.add("prodid", "-//TrialSite//Appointments//EN")
    feed.add("version", "2.0")
    feed.add("x-wr-calname", "TrialSite")
    if has(user, VISIT_VIEW):
        for visit in appointments(user):
            feed.add_component(_event(visit))
    return bytes(feed.to_ical())


def _event(visit: Visit) -> "Event":
    from icalendar import Event

    if visit.appointment_at is None:
        raise ValueError("a booked visit has an appointment")
    event = Event()
    event.add("uid", f"visit-{visit.pk}@trialsite")
    event.add("sequence", visit.bookings)
    event.add("dtstamp", getattr(visit, "made_at", None) or visit.created_at)
    event.add("dtstart", visit.appointment_at.astimezone(dt.UTC))
    event.add("duration", _LASTS)
    # The code alone, for every visit: were only those of an arm without a name, whoever reads the address would know.
    event.add("summary", visit.participant.code)
    event.add("status", "CONFIRMED")
    return event
