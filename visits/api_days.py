"""The official calendar, clinic days and calendar feeds over REST."""

import datetime as dt
from typing import Any, ClassVar

import django_filters
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.filters import YearFilter
from trialsite.core.http import Body, EndpointViewSet, Pages
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of
from visits import services
from visits.errors import BadDate
from visits.models import ClinicDay, Feed, Holiday, HolidayYear


class HolidayOut(serializers.ModelSerializer[Holiday]):
    """A day that differs from its weekday; `works` is true for an official make-up working day."""

    class Meta:
        model = Holiday
        fields = ["day", "works", "name"]


class HolidayIn(Body):
    """What kind of day it is, its name, and why it is entered or corrected."""

    works = serializers.BooleanField()
    name = serializers.CharField(max_length=80)
    reason = serializers.CharField(max_length=300)


class HolidayPages(Pages):
    """Newest first."""

    ordering = ("-day",)


class HolidayFilter(django_filters.FilterSet):  # type: ignore[misc]
    """By year."""

    day__year = YearFilter("day")

    class Meta:
        model = Holiday
        fields: ClassVar[list[str]] = []


class HolidayViewSet(mixins.ListModelMixin, EndpointViewSet):
    """Days of the official calendar."""

    capability = {"list": capabilities.SITE_VIEW, "update": capabilities.HOLIDAY_MANAGE}
    serializer_class = HolidayOut
    pagination_class = HolidayPages
    filterset_class = HolidayFilter
    lookup_field = "day"
    lookup_value_regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    queryset = Holiday.objects.all()

    @extend_schema(
        request=HolidayIn,
        responses=HolidayOut,
        examples=[
            OpenApiExample(
                "correct",
                {"works": False, "name": "Spring Festival", "reason": "Notice of 2026."},
                request_only=True,
            )
        ],
    )
    def update(self, request: Request, day: str) -> Response:
        """Enter or correct a day."""
        asked = HolidayIn(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            on = dt.date.fromisoformat(day)
        except ValueError as error:
            raise BadDate(fields={"day": [_("There is no such day.")]}) from error
        made = services.set_holiday(actor=actor_of(request), day=on, **asked.validated_data)
        return Response(HolidayOut(made).data)


class YearOut(serializers.ModelSerializer[HolidayYear]):
    """A year whose official calendar is complete, and by which notice."""

    class Meta:
        model = HolidayYear
        fields = ["year", "source"]


class YearIn(Body):
    """The official notice."""

    source = serializers.CharField(max_length=200)  # type: ignore[assignment]


class YearViewSet(mixins.ListModelMixin, EndpointViewSet):
    """Years whose official calendar is known; any other year is *unknown*."""

    capability = {"list": capabilities.SITE_VIEW, "update": capabilities.HOLIDAY_MANAGE}
    serializer_class = YearOut
    pagination_class = None
    lookup_field = "year"
    lookup_value_regex = "20[0-9]{2}"
    queryset = HolidayYear.objects.all()

    @extend_schema(
        request=YearIn,
        responses=YearOut,
        examples=[OpenApiExample("complete", {"source": "Notice of the State Council"}, request_only=True)],
    )
    def update(self, request: Request, year: str) -> Response:
        """Declare a year complete."""
        asked = YearIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.complete_year(actor=actor_of(request), year=int(year), **asked.validated_data)
        return Response(YearOut(made).data)


class ClinicDayOut(serializers.ModelSerializer[ClinicDay]):
    """A weekday of a hospital's clinic (Monday is 0)."""

    site = serializers.CharField(source="site.code")

    class Meta:
        model = ClinicDay
        fields = ["site", "weekday", "starts_at", "capacity"]


class OpeningIn(Body):
    """A weekday (Monday is 0), from when, for how many at most."""

    weekday = serializers.IntegerField(min_value=0, max_value=6)
    starts_at = serializers.TimeField(required=False, default=dt.time(9))
    capacity = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=999
    )


class ClinicIn(Body):
    """All clinic days of a hospital; none means every working day."""

    days = serializers.ListField(child=OpeningIn(), max_length=7)
    reason = serializers.CharField(max_length=300)


class ClinicViewSet(mixins.ListModelMixin, EndpointViewSet):
    """On which weekdays hospitals see participants."""

    capability = {"list": capabilities.VISIT_VIEW, "update": capabilities.CLINIC_MANAGE}
    serializer_class = ClinicDayOut
    pagination_class = None
    lookup_field = "site"
    lookup_value_regex = "[A-Za-z0-9_-]{1,12}"
    queryset = ClinicDay.objects.none()

    def get_queryset(self) -> Any:
        return ClinicDay.objects.visible_to(actor_of(self.request)).select_related("site")

    @extend_schema(
        request=ClinicIn,
        responses=ClinicDayOut(many=True),
        examples=[
            OpenApiExample(
                "clinic days",
                {
                    "days": [{"weekday": 1, "starts_at": "08:30", "capacity": 8}, {"weekday": 3}],
                    "reason": "New timetable.",
                },
                request_only=True,
            )
        ],
    )
    def update(self, request: Request, site: str) -> Response:
        """Replace the clinic days of a hospital."""
        asked = ClinicIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        found = Site.objects.visible_to(actor, capabilities.VISIT_VIEW).filter(code=site).first()
        if found is None:
            raise NotFound
        made = services.set_clinic_days(
            actor=actor,
            site=found,
            days=[services.Opening(**day) for day in asked.validated_data["days"]],
            reason=asked.validated_data["reason"],
        )
        return Response(ClinicDayOut(made, many=True).data)


class FeedOut(serializers.ModelSerializer[Feed]):
    """One's own feed; the address was shown when it was made."""

    class Meta:
        model = Feed
        fields = ["id", "name", "created_at", "revoked_at"]


class FeedIn(Body):
    """Which device or program it is for."""

    name = serializers.CharField(max_length=60)


class MadeFeedOut(FeedOut):
    """A new feed with its address, which is shown this once."""

    address = serializers.URLField()

    class Meta(FeedOut.Meta):
        fields = [*FeedOut.Meta.fields, "address"]


class FeedViewSet(mixins.ListModelMixin, EndpointViewSet):
    """One's own calendar feeds."""

    capability = capabilities.FEED_OWN
    serializer_class = FeedOut
    pagination_class = None
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Feed.objects.none()

    def get_queryset(self) -> Any:
        return Feed.objects.filter(user=actor_of(self.request))

    @extend_schema(
        request=FeedIn,
        responses={201: MadeFeedOut},
        examples=[OpenApiExample("feed", {"name": "Telephone"}, request_only=True)],
    )
    def create(self, request: Request) -> Response:
        """Make an address for a calendar program."""
        asked = FeedIn(data=request.data)
        asked.is_valid(raise_exception=True)
        feed, secret = services.make_feed(actor=actor_of(request), **asked.validated_data)
        address = request.build_absolute_uri(reverse("feed", args=[secret]))
        return Response(FeedOut(feed).data | {"address": address}, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke an address; it stays in the list."""
        services.revoke_feed(actor=actor_of(request), feed=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
