"""The allocation over REST: certificate, proof, and the mark of one that was made in error."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from randomization import arms, steering
from trialsite.core.errors import NotFound
from trialsite.core.http import Body
from trialsite.enrollment.api.base import OfParticipant, read
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class MarkIn(Body):
    """Why the randomization was an error, and what is true."""

    kind = serializers.ChoiceField(["ineligible", "stratum", "person", "other"])
    reason = serializers.CharField(max_length=500)
    truth = serializers.CharField(max_length=1000)


class MarkOut(MarkIn):
    """The mark as it stands for good."""

    marked_at = serializers.DateTimeField()
    marked_by = serializers.CharField(source="marked_by.full_name")


class CertificateOut(serializers.Serializer[Any]):
    """What is kept in the participant's file. The head is a witness of the ledger."""

    participant = serializers.CharField(source="participant.code")
    hospital = serializers.CharField(source="site.code")
    arm = serializers.CharField()
    strata = serializers.DictField(child=serializers.CharField())
    kind = serializers.CharField()
    allocated_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField(allow_null=True, help_text="Of an envelope: when it was opened.")
    allocated_by = serializers.CharField(source="allocated_by.full_name")
    position = serializers.IntegerField()
    ledger_head = serializers.CharField(source="hash")
    randomized_in_error = MarkOut(source="correction", allow_null=True, default=None)


class ProofOut(serializers.Serializer[Any]):
    """The opened leaf, its path and the published root (docs/randomization-format.md)."""

    stratum = serializers.CharField()
    kind = serializers.CharField()
    index = serializers.IntegerField()
    arm = serializers.CharField()
    r = serializers.CharField()
    path = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    root = serializers.CharField()  # type: ignore[assignment]


class _OfAllocation(OfParticipant):
    def made(self, request: Request, code: str) -> Any:
        found = arms.of(actor_of(request), self.participant(request, code))
        if found is None:
            raise NotFound
        return found


class Certificate(_OfAllocation):
    """The certificate of an allocation, to those who may see the arm."""

    capability = capabilities.ARM_SEE

    @extend_schema(operation_id="participants_certificate", responses=CertificateOut)
    def get(self, request: Request, code: str) -> Response:
        return Response(CertificateOut(self.made(request, code)).data)


class Proof(_OfAllocation):
    """The proof that the arm is the one of the published list, to those who may view the ledger.

    It is not for who recruits: a draw gives the method away.
    """

    capability = capabilities.LEDGER_VIEW

    @extend_schema(operation_id="participants_proof", responses=ProofOut)
    def get(self, request: Request, code: str) -> Response:
        return Response(ProofOut(arms.proof(self.made(request, code))).data)


class Mark(OfParticipant):
    """Marks an allocation as randomized in error, for good; the allocation stands."""

    capability = capabilities.ALLOCATION_MARK

    @extend_schema(
        operation_id="participants_mark_in_error",
        request=MarkIn,
        responses=MarkOut,
        examples=[
            OpenApiExample(
                "mark",
                {"kind": "ineligible", "reason": "INR was read wrongly.", "truth": "INR 2.1 on the day."},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(MarkIn, request)
        participant = self.participant(request, code)
        mark = steering.mark_in_error(actor=actor_of(request), participant=participant, **asked)
        return Response(MarkOut(mark).data)
