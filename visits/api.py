"""Visits over REST."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.http import EndpointViewSet, Pages
from trialsite.staff import capabilities
from visits import services
from visits.models import Visit


class VisitOut(serializers.ModelSerializer[Visit]):
    """A visit with its window (both ends count) and the study day of its target (there is no day 0)."""

    participant = serializers.CharField(source="participant.code")
    site = serializers.CharField(source="site.code")
    study_day = serializers.IntegerField(allow_null=True, read_only=True)

    class Meta:
        model = Visit
        fields = [
            "id",
            "participant",
            "site",
            "code",
            "kind",
            "anchor_on",
            "target_on",
            "opens_on",
            "closes_on",
            "study_day",
            "state",
            "appointment_at",
            "attended_on",
            "in_window",
        ]


class VisitFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of the list of visits."""

    participant = django_filters.CharFilter(field_name="participant__code")
    site = django_filters.CharFilter(field_name="site__code")
    due_before = django_filters.DateFilter(field_name="opens_on", lookup_expr="lte")

    class Meta:
        model = Visit
        fields = ["participant", "site", "state", "due_before"]


class BookIn(serializers.Serializer[Any]):
    """When (ISO 8601 with zone); a reason when an appointment moves."""

    at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class AttendIn(serializers.Serializer[Any]):
    """The local date of the visit."""

    on = serializers.DateField()


class MissIn(serializers.Serializer[Any]):
    """Why the visit did not take place."""

    reason = serializers.CharField(max_length=300)


class VisitPages(Pages):
    """By opening of the window."""

    ordering = ("opens_on", "id")


class VisitViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Visits: list, read, book, attend, miss."""

    capability = {
        "list": capabilities.VISIT_VIEW,
        "retrieve": capabilities.VISIT_VIEW,
        "book": capabilities.VISIT_MANAGE,
        "attend": capabilities.VISIT_MANAGE,
        "miss": capabilities.VISIT_MANAGE,
    }
    serializer_class = VisitOut
    pagination_class = VisitPages
    filterset_class = VisitFilter
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Visit.objects.none()

    def get_queryset(self) -> Any:
        return Visit.objects.visible_to(self.request.user).select_related("participant", "site")  # type: ignore[arg-type]

    def _act(self, request: Request, serializer: type[serializers.Serializer[Any]], service: Any) -> Response:
        asked = serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = service(actor=request.user, visit=self.get_object(), **asked.validated_data)
        return Response(VisitOut(changed).data)

    @extend_schema(
        request=BookIn,
        responses=VisitOut,
        examples=[OpenApiExample("book", {"at": "2026-04-07T09:30:00+08:00"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def book(self, request: Request, pk: str) -> Response:
        """Give it an appointment, or move it."""
        return self._act(request, BookIn, services.book)

    @extend_schema(
        request=AttendIn,
        responses=VisitOut,
        examples=[OpenApiExample("attend", {"on": "2026-04-07"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def attend(self, request: Request, pk: str) -> Response:
        """The participant came."""
        return self._act(request, AttendIn, services.attend)

    @extend_schema(
        request=MissIn,
        responses=VisitOut,
        examples=[OpenApiExample("miss", {"reason": "In another hospital."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def miss(self, request: Request, pk: str) -> Response:
        """The visit did not take place."""
        return self._act(request, MissIn, services.miss)
