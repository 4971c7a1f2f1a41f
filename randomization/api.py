"""The ledger over REST, for those who may view it."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from randomization.models import Allocation, Scheme
from trialsite.audit.notes import note
from trialsite.core.errors import NotFound
from trialsite.core.http import Declared, Endpoint, Pages
from trialsite.staff.capabilities import LEDGER_VIEW
from trialsite.staff.permissions import actor_of


class SchemeOut(serializers.ModelSerializer[Scheme]):
    """State, published hashes and where the ledger stands."""

    roots = serializers.SerializerMethodField()

    class Meta:
        model = Scheme
        fields = [
            "trial",
            "environment",
            "state",
            "specification_hash",
            "commitments",
            "roots",
            "position",
            "head",
        ]

    def get_roots(self, scheme: Scheme) -> dict[str, str]:
        return dict(scheme.strata.order_by("key").values_list("key", "root"))


class Randomization(Endpoint):
    """The trial's randomization."""

    capability = LEDGER_VIEW

    @extend_schema(operation_id="randomization", responses=SchemeOut)
    def get(self, request: Request) -> Response:
        scheme = Scheme.objects.visible_to(request.user).first()  # type: ignore[arg-type]
        if scheme is None:
            raise NotFound
        note(actor=actor_of(request), action="view", about="randomization_scheme", key=scheme.pk)
        return Response(SchemeOut(scheme).data)


class LedgerRow(serializers.ModelSerializer[Allocation]):
    """One row: without the arm, which the participant's page shows to those who may see it."""

    participant = serializers.CharField(source="participant.code")
    stratum = serializers.CharField(source="stratum.key")
    allocated_by = serializers.CharField(source="allocated_by.username")

    class Meta:
        model = Allocation
        fields = [
            "position",
            "participant",
            "stratum",
            "index",
            "strata_hash",
            "eligibility_hash",
            "allocated_at",
            "allocated_by",
            "previous_hash",
            "hash",
        ]


class LedgerPages(Pages):
    """By position."""

    ordering = "position"


class Ledger(Declared, generics.ListAPIView[Any]):
    """The rows of the ledger."""

    capability = LEDGER_VIEW
    serializer_class = LedgerRow
    pagination_class = LedgerPages
    queryset = Allocation.objects.none()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        note(actor=actor_of(request), action="view", about="randomization_allocation")
        return super().list(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        rows = Allocation.objects.visible_to(self.request.user)  # type: ignore[arg-type]
        return rows.select_related("participant", "stratum", "allocated_by")
