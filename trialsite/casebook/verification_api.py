"""Source data verification over REST."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import reviewing
from trialsite.casebook.models import Verification
from trialsite.casebook.review_api import record_of
from trialsite.core.errors import NotFound
from trialsite.core.http import Body, Endpoint
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class VerificationOut(serializers.ModelSerializer[Verification]):
    """A verification that stands; an empty `item` is the whole form."""

    verified_by = serializers.CharField(source="verified_by.username")

    class Meta:
        model = Verification
        fields = ["id", "item", "version", "verified_by", "created_at"]


class VerificationIn(Body):
    """The items that were compared with the source; none for the whole form."""

    items = serializers.ListField(child=serializers.CharField(max_length=40), max_length=300, default=list)


class VerificationView(Endpoint):
    """Source data verification of one record."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.RECORD_VERIFY}

    @extend_schema(operation_id="verifications_list", responses=VerificationOut(many=True))
    def get(self, request: Request, code: str, event: str, form: str, repeat: int) -> Response:
        """What is verified now."""
        record = record_of(request, code, event, form, repeat)
        rows = Verification.objects.visible_to(actor_of(request)).standing().filter(record=record)
        return Response(VerificationOut(rows.select_related("verified_by"), many=True).data)

    @extend_schema(
        operation_id="verifications_create",
        request=VerificationIn,
        responses=VerificationOut(many=True),
        examples=[OpenApiExample("items", {"items": ["hgb", "plt"]}, request_only=True)],
    )
    def post(self, request: Request, code: str, event: str, form: str, repeat: int) -> Response:
        """Verify items or the whole form."""
        asked = VerificationIn(data=request.data)
        asked.is_valid(raise_exception=True)
        record = record_of(request, code, event, form, repeat)
        made = reviewing.verify(actor=actor_of(request), record=record, items=asked.validated_data["items"])
        return Response(VerificationOut(made, many=True).data)


class TakenBackIn(Body):
    """Why it does not hold."""

    reason = serializers.CharField(max_length=300)


class TakeBackView(Endpoint):
    """A verification that does not hold."""

    capability = capabilities.RECORD_VERIFY

    @extend_schema(
        operation_id="verifications_take_back",
        request=TakenBackIn,
        responses=VerificationOut(many=True),
        examples=[OpenApiExample("reason", {"reason": "compared with another report"}, request_only=True)],
    )
    def post(self, request: Request, code: str, event: str, form: str, repeat: int, id: int) -> Response:
        """Take it back; answers with what stays verified."""
        asked = TakenBackIn(data=request.data)
        asked.is_valid(raise_exception=True)
        record = record_of(request, code, event, form, repeat)
        rows = Verification.objects.visible_to(actor_of(request)).standing().filter(record=record)
        found = rows.filter(pk=min(id, 2**62)).first()
        if found is None:
            raise NotFound
        reviewing.take_back(actor=actor_of(request), verification=found, **asked.validated_data)
        return Response(VerificationOut(rows.select_related("verified_by"), many=True).data)
