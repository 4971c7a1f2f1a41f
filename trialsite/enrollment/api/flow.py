"""Over REST: the CONSORT boxes, and what an amendment changes for whom."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.http import Endpoint
from trialsite.enrollment.amendments import amendment
from trialsite.enrollment.consort import flow
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class ArmFlowOut(serializers.Serializer[Any]):
    """The boxes of one arm."""

    arm = serializers.CharField()
    allocated = serializers.IntegerField()
    received = serializers.IntegerField()
    not_received = serializers.IntegerField()
    in_follow_up = serializers.IntegerField()
    completed = serializers.IntegerField()
    withdrew = serializers.IntegerField()
    lost = serializers.IntegerField()
    died = serializers.IntegerField()
    analysed = serializers.IntegerField()
    not_analysed = serializers.IntegerField()


class FlowOut(serializers.Serializer[Any]):
    """The boxes count persons; `attempts` = `assessed` + `screened_anew`. `arms` is empty for whoever sees none."""

    attempts = serializers.IntegerField()
    screened_anew = serializers.IntegerField()
    assessed = serializers.IntegerField()
    consented = serializers.IntegerField()
    in_screening = serializers.IntegerField()
    excluded = serializers.IntegerField()
    excluded_for = serializers.DictField(child=serializers.IntegerField())
    withdrew_before_surgery = serializers.IntegerField()
    died_before_surgery = serializers.IntegerField()
    operated = serializers.IntegerField()
    not_randomized = serializers.IntegerField()
    waiting = serializers.IntegerField()
    followed_for_safety = serializers.IntegerField()
    completed_safety = serializers.IntegerField()
    withdrew_after_surgery = serializers.IntegerField()
    lost_after_surgery = serializers.IntegerField()
    died_after_surgery = serializers.IntegerField()
    randomized = serializers.IntegerField()
    arms = ArmFlowOut(many=True)


class ChangeOut(serializers.Serializer[Any]):
    """One value, as the protocol holds it: a text is an object of languages; null where it lacks."""

    path = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class DifferenceOut(serializers.Serializer[Any]):
    """One entry that an amendment adds, removes or changes, with its values before and after."""

    part = serializers.CharField()
    code = serializers.CharField()
    kind = serializers.ChoiceField(["added", "removed", "changed"])
    title = serializers.DictField(child=serializers.CharField(), allow_null=True)
    changes = ChangeOut(many=True)


class AtHospitalOut(serializers.Serializer[Any]):
    """Who is still bound to the older version at a hospital, and who of them owes a signature today.

    `form_version` is null where no consent form of the newer version is in use there yet.
    """

    site = serializers.CharField(source="site.code")
    bound = serializers.ListField(child=serializers.CharField())
    owing = serializers.ListField(child=serializers.CharField())
    form_version = serializers.CharField(source="form.version", default=None, allow_null=True)


class AmendmentOut(serializers.Serializer[Any]):
    """What changes, and for whom at each hospital."""

    old = serializers.CharField()
    new = serializers.CharField()
    differences = DifferenceOut(many=True)
    hospitals = AtHospitalOut(many=True)


class Consort(Endpoint):
    """The flow of participants."""

    capability = capabilities.DASHBOARD_VIEW

    @extend_schema(operation_id="consort", responses=FlowOut)
    def get(self, request: Request) -> Response:
        return Response(FlowOut(asdict(flow(actor_of(request)))).data)


class AmendmentView(Endpoint):
    """What changes from one version of the protocol to another, and for whom."""

    capability = capabilities.PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_amendment", responses=AmendmentOut)
    def get(self, request: Request, old: str, new: str) -> Response:
        return Response(AmendmentOut(amendment(actor_of(request), old, new)).data)
