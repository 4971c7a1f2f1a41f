"""Training, delegation log and review of access over REST, to read."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint, EndpointViewSet
from trialsite.roster.models import (
    AccessReview,
    AccessReviewQuerySet,
    Delegation,
    DelegationQuerySet,
    Training,
    TrainingQuerySet,
)
from trialsite.roster.reading import report
from trialsite.sites.models import Site
from trialsite.staff.capabilities import ROSTER_VIEW
from trialsite.staff.permissions import actor_of


class TrainingOut(serializers.ModelSerializer[Training]):
    """One completed training."""

    site = serializers.CharField(source="site.code")
    user = serializers.CharField(source="user.username")
    recorded_by = serializers.CharField(source="recorded_by.username")

    class Meta:
        model = Training
        fields = ["id", "site", "user", "topic", "completed_on", "valid_until", "evidence", "recorded_by"]


class DelegationOut(serializers.ModelSerializer[Delegation]):
    """One task that someone is authorised for; `signature` is the number of the signature under it."""

    site = serializers.CharField(source="site.code")
    user = serializers.CharField(source="user.username")
    authorised_by = serializers.CharField(source="authorised_by.username")
    signature = serializers.IntegerField(source="signature_id")

    class Meta:
        model = Delegation
        fields = ["id", "site", "user", "task", "starts_at", "ends_at", "authorised_by", "signature"]


class AccessReviewOut(serializers.ModelSerializer[AccessReview]):
    """One signed review; `report` is what was shown then."""

    site = serializers.CharField(source="site.code")
    reviewer = serializers.CharField(source="reviewer.username")
    signature = serializers.IntegerField(source="signature_id")

    class Meta:
        model = AccessReview
        fields = ["id", "site", "reviewed_at", "reviewer", "findings", "report", "signature"]


class AccessRowOut(serializers.Serializer[Any]):
    """One membership that reaches the hospital, and what is remarkable about it."""

    username = serializers.CharField()
    full_name = serializers.CharField()
    kind = serializers.CharField()
    role = serializers.CharField()
    everywhere = serializers.BooleanField()
    since = serializers.DateField()
    until = serializers.DateField(allow_null=True)
    last_sign_in = serializers.DateField(allow_null=True)
    last_act = serializers.DateField(allow_null=True)
    training = serializers.ListField(child=serializers.CharField())
    tasks = serializers.ListField(child=serializers.CharField())
    flags = serializers.ListField(child=serializers.CharField())


class TrainingViewSet(mixins.ListModelMixin, EndpointViewSet):
    """Completed training."""

    capability = ROSTER_VIEW
    serializer_class = TrainingOut
    queryset = Training.objects.none()
    filterset_fields = ("site__code", "user__username")

    def get_queryset(self) -> TrainingQuerySet:
        seen = Training.objects.visible_to(actor_of(self.request))
        return seen.select_related("site", "user", "recorded_by")


class DelegationViewSet(mixins.ListModelMixin, EndpointViewSet):
    """The delegation log: present and ended authorisations."""

    capability = ROSTER_VIEW
    serializer_class = DelegationOut
    queryset = Delegation.objects.none()
    filterset_fields = ("site__code", "user__username", "task")

    def get_queryset(self) -> DelegationQuerySet:
        seen = Delegation.objects.visible_to(actor_of(self.request))
        return seen.select_related("site", "user", "authorised_by")


class AccessReviewViewSet(mixins.ListModelMixin, EndpointViewSet):
    """Signed reviews of access."""

    capability = ROSTER_VIEW
    serializer_class = AccessReviewOut
    queryset = AccessReview.objects.none()
    filterset_fields = ("site__code",)

    def get_queryset(self) -> AccessReviewQuerySet:
        seen = AccessReview.objects.visible_to(actor_of(self.request))
        return seen.select_related("site", "reviewer")


class AccessReport(Endpoint):
    """Who has access to a hospital, now."""

    capability = ROSTER_VIEW

    @extend_schema(operation_id="access_report", responses=AccessRowOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        actor = actor_of(request)
        site = Site.objects.visible_to(actor, ROSTER_VIEW).filter(code=code).first()
        if site is None:
            raise NotFound
        return Response(AccessRowOut(report(actor, site), many=True).data)
