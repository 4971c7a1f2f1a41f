"""Records of amended forms over REST: what bringing one over would do, and doing it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import entering, messages, services
from trialsite.casebook.amending import Migration
from trialsite.casebook.api import SavedOut, answer_saved
from trialsite.casebook.review_api import record_of
from trialsite.core.http import Body, Endpoint
from trialsite.participants.models import Participant
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class MigrationOut(serializers.Serializer[Any]):
    """What becomes of the entries; `needed` is false where the record stands under the present version already."""

    needed = serializers.BooleanField()
    gone = serializers.ListField(child=serializers.CharField())
    refused = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    asked = serializers.ListField(child=serializers.CharField())


class MigrationIn(Body):
    """The version of the record that you saw, and why; a complete record asks for a reason."""

    expected_version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(required=False, default="", max_length=500, allow_blank=True)


def _told(plan: Migration | None) -> dict[str, Any]:
    if plan is None:
        return {"needed": False, "gone": [], "refused": {}, "asked": []}
    return {
        "needed": True,
        "gone": plan.gone,
        "refused": messages.worded(plan.refused),
        "asked": plan.asked,
    }


class MigrationView(Endpoint):
    """A record that was filled in under an earlier version of its form."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.RECORD_EDIT}

    @extend_schema(operation_id="record_migration_retrieve", responses=MigrationOut)
    def get(self, request: Request, code: str, event: str, form: str, repeat: int) -> Response:
        """What bringing it over would do."""
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        record = record_of(request, code, event, form, repeat)
        return Response(_told(entering.plan_migration(participant, record)))

    @extend_schema(
        operation_id="record_migration_create",
        request=MigrationIn,
        responses=SavedOut,
        examples=[
            OpenApiExample("amended", {"expected_version": 1, "reason": "protocol 1.1"}, request_only=True)
        ],
    )
    def post(self, request: Request, code: str, event: str, form: str, repeat: int) -> Response:
        """Bring it over."""
        asked = MigrationIn(data=request.data)
        asked.is_valid(raise_exception=True)
        record = record_of(request, code, event, form, repeat)
        saved = services.migrate_record(actor=actor_of(request), record=record, **asked.validated_data)
        return answer_saved(actor_of(request), saved)
