"""How a participant leaves over REST: as planned, by withdrawal, by death."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.enrollment import corrections, services
from trialsite.enrollment.api.base import CorrectionIn, OfParticipant, ValuesIn, read
from trialsite.participants.api import ParticipantOut
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class Completion(OfParticipant):
    """The end as planned: every visit is settled."""

    capability = capabilities.END_RECORD

    @extend_schema(operation_id="participants_completion", request=None, responses=ParticipantOut)
    def post(self, request: Request, code: str) -> Response:
        ended = services.complete(actor=actor_of(request), participant=self.participant(request, code))
        return Response(ParticipantOut(ended).data)


class Death(OfParticipant):
    """A death."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_death",
        request=ValuesIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("death", {"values": {"dthdat": "2026-05-02"}}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        ended = services.record_death(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(ended).data)

    @extend_schema(
        operation_id="participants_correct_death",
        request=CorrectionIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample(
                "correction",
                {"values": {"dthdat": "2026-05-03"}, "version": 1, "reason": "The letter says so."},
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; visits before the true day are expected again, later ones are not."""
        participant = self.participant(request, code)
        corrections.correct_death(
            actor=actor_of(request), participant=participant, **read(CorrectionIn, request)
        )
        return Response(ParticipantOut(participant).data)


class Withdrawal(OfParticipant):
    """A withdrawal."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_withdrawal",
        request=ValuesIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample(
                "withdrawal", {"values": {"wddat": "2026-05-02", "level": "visits"}}, request_only=True
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        ended = services.withdraw(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(ended).data)
