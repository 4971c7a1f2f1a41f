"""Hospitals over REST."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.http import EndpointViewSet, Pages
from trialsite.sites import services
from trialsite.sites.models import Site, SiteQuerySet
from trialsite.staff import capabilities


class SiteOut(serializers.ModelSerializer[Site]):
    """A hospital."""

    class Meta:
        model = Site
        fields = ["code", "number", "name_en", "name_zh", "timezone", "phone", "target", "cap", "state"]


class StateIn(serializers.Serializer[Any]):
    """The wanted state and why."""

    state = serializers.ChoiceField(["active", "paused", "closed"])
    reason = serializers.CharField(max_length=300)


class SitePages(Pages):
    """Hospitals in the order of their numbers."""

    ordering = "number"


class SiteViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Hospitals: list, read, activate, pause, close."""

    capability = {
        "list": capabilities.SITE_VIEW,
        "retrieve": capabilities.SITE_VIEW,
        "state": capabilities.SITE_MANAGE,
    }
    serializer_class = SiteOut
    pagination_class = SitePages
    lookup_field = "code"
    queryset = Site.objects.none()

    def get_queryset(self) -> SiteQuerySet:
        return Site.objects.visible_to(self.request.user)  # type: ignore[arg-type]

    @extend_schema(
        request=StateIn,
        responses=SiteOut,
        examples=[OpenApiExample("state", {"state": "active", "reason": "Opened."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def state(self, request: Request, code: str) -> Response:
        """Activate, pause or close."""
        asked = StateIn(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = services.set_state(actor=request.user, site=self.get_object(), **asked.validated_data)  # type: ignore[arg-type]
        return Response(SiteOut(changed).data)
