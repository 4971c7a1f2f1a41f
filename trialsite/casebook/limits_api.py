"""The register of limits of normal over REST."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import limits
from trialsite.casebook.models import NormalLimit
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Body, Declared, Endpoint
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class LimitOut(serializers.ModelSerializer[NormalLimit]):
    """A limit of normal as the register holds it."""

    site = serializers.CharField(source="site.code")
    entered_by = serializers.CharField(source="entered_by.username")

    class Meta:
        model = NormalLimit
        fields = [
            "id",
            "site",
            "form",
            "item",
            "sex",
            "value",
            "unit",
            "valid_from",
            "valid_until",
            "source",
            "entered_by",
            "withdrawn_at",
        ]


class LimitIn(Body):
    """A limit as the laboratory gives it. Without `sex` it holds for both; without `unit`, in the item's own."""

    site = serializers.SlugField(max_length=12)
    form = serializers.CharField(max_length=40)
    item = serializers.CharField(max_length=40)
    sex = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    value = serializers.CharField(max_length=20)
    unit = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(required=False, allow_null=True, default=None)
    source = serializers.CharField(max_length=200)  # type: ignore[assignment]


class WithdrawIn(Body):
    """Why the limit is wrong."""

    reason = serializers.CharField(max_length=300)


class Limits(Declared, generics.ListAPIView[Any]):
    """The register of limits of normal."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.LIMIT_MANAGE}
    serializer_class = LimitOut
    filterset_fields = ["site__code", "form", "item"]
    queryset = NormalLimit.objects.none()

    def get_queryset(self) -> Any:
        actor = actor_of(self.request)
        return NormalLimit.objects.visible_to(actor).select_related("site", "entered_by")

    @extend_schema(
        operation_id="limits_enter",
        request=LimitIn,
        responses={201: LimitOut},
        examples=[
            OpenApiExample(
                "AST",
                {
                    "site": "SHGH",
                    "form": "labs",
                    "item": "ast",
                    "sex": "male",
                    "value": "40",
                    "unit": "U/L",
                    "valid_from": "2026-01-01",
                    "source": "report of the laboratory",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        asked = LimitIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        actor = actor_of(request)
        site = (
            Site.objects.visible_to(actor, capabilities.LIMIT_MANAGE).filter(code=given.pop("site")).first()
        )
        if site is None:
            raise Invalid(fields={"site": [_("There is no such hospital among yours.")]})
        version = ProtocolVersion.objects.current()
        if version is None:
            raise NotFound
        made = limits.enter(actor=actor, site=site, definition=version.definition, **given)
        return Response(LimitOut(made).data, status=201)


class LimitWithdraw(Endpoint):
    """A limit that was wrong."""

    capability = capabilities.LIMIT_MANAGE

    @extend_schema(
        operation_id="limits_withdraw",
        request=WithdrawIn,
        responses=LimitOut,
        examples=[OpenApiExample("wrong", {"reason": "read from the old report"}, request_only=True)],
    )
    def post(self, request: Request, id: int) -> Response:
        asked = WithdrawIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        limit = NormalLimit.objects.visible_to(actor).filter(pk=id).first()
        if limit is None:
            raise NotFound
        return Response(LimitOut(limits.withdraw(actor=actor, limit=limit, **asked.validated_data)).data)
