"""Surgery and local treatment over REST."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.enrollment import corrections, services, treatment
from trialsite.enrollment.api.base import CorrectionIn, ExplainedIn, OfParticipant, ReasonIn, ValuesIn, read
from trialsite.participants.api import ParticipantOut
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of
from visits.api import VisitOut


class Surgery(OfParticipant):
    """The surgery: the anchor of the schedule."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_surgery",
        request=ExplainedIn,
        responses={201: VisitOut(many=True)},
        examples=[
            OpenApiExample(
                "surgery",
                {
                    "values": {
                        "prdat": "2026-03-09",
                        "levels": ["T12"],
                        "levels_treated": 1,
                        "ablated": True,
                        "cement": {"value": "4.5", "unit": "mL"},
                        "leakage": "none",
                    }
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ExplainedIn, request)
        planned = services.operate(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(VisitOut(planned, many=True).data, status=201)

    @extend_schema(
        operation_id="participants_correct_surgery",
        request=CorrectionIn,
        responses=VisitOut(many=True),
        examples=[
            OpenApiExample(
                "correction",
                {
                    "values": {
                        "prdat": "2026-03-08",
                        "levels": ["T12"],
                        "levels_treated": 1,
                        "ablated": True,
                        "cement": {"value": "4.5", "unit": "mL"},
                        "leakage": "none",
                    },
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the answer is the visits whose windows moved."""
        participant = self.participant(request, code)
        moved = corrections.correct_surgery(
            actor=actor_of(request), participant=participant, **read(CorrectionIn, request)
        )
        return Response(VisitOut(moved, many=True).data)


class Forgo(OfParticipant):
    """An operated participant will not be randomized."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_forgo_randomization",
        request=ReasonIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("reason", {"reason": "Moved away."}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        corrections.forgo_randomization(
            actor=actor_of(request), participant=participant, **read(ReasonIn, request)
        )
        return Response(ParticipantOut(participant).data)


class Resume(OfParticipant):
    """The randomization can take place after all."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_resume_randomization",
        request=ReasonIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("reason", {"reason": "She came back."}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        """Take back that it will not, as long as the days for it last."""
        resumed = corrections.resume_randomization(
            actor=actor_of(request), participant=self.participant(request, code), **read(ReasonIn, request)
        )
        return Response(ParticipantOut(resumed).data)


class StartTreatment(OfParticipant):
    """The first fraction of the treatment after randomization."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_start_treatment",
        request=ExplainedIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample(
                "start",
                {
                    "values": {
                        "sbrtdat": "2026-03-16",
                        "regimen": "r30_5",
                        "levels": ["T12"],
                        "prescribed_to": "isodose",
                    }
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ExplainedIn, request)
        participant = self.participant(request, code)
        treatment.start(actor=actor_of(request), participant=participant, **asked)
        return Response(ParticipantOut(participant).data)

    @extend_schema(
        operation_id="participants_correct_start_of_treatment",
        request=CorrectionIn,
        responses=VisitOut(many=True),
        examples=[
            OpenApiExample(
                "correction",
                {
                    "values": {
                        "sbrtdat": "2026-03-17",
                        "regimen": "r30_5",
                        "levels": ["T12"],
                        "prescribed_to": "isodose",
                    },
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the answer is the visits whose windows moved."""
        participant = self.participant(request, code)
        moved = treatment.correct_start(
            actor=actor_of(request), participant=participant, **read(CorrectionIn, request)
        )
        return Response(VisitOut(moved, many=True).data)


class EndTreatment(OfParticipant):
    """The last fraction of the treatment after randomization; the answer is the visits that count from it."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_end_treatment",
        request=ValuesIn,
        responses={201: VisitOut(many=True)},
        examples=[
            OpenApiExample("end", {"values": {"endat": "2026-03-24", "completed": True}}, request_only=True)
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        planned = treatment.end(actor=actor_of(request), participant=participant, **read(ValuesIn, request))
        return Response(VisitOut(planned, many=True).data, status=201)

    @extend_schema(
        operation_id="participants_correct_end_of_treatment",
        request=CorrectionIn,
        responses=VisitOut(many=True),
        examples=[
            OpenApiExample(
                "correction",
                {
                    "values": {"endat": "2026-03-25", "completed": True},
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the answer is the visits whose windows moved."""
        participant = self.participant(request, code)
        moved = treatment.correct_end(
            actor=actor_of(request), participant=participant, **read(CorrectionIn, request)
        )
        return Response(VisitOut(moved, many=True).data)
