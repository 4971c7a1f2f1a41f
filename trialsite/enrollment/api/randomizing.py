"""Randomization over REST."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from randomization import arms
from randomization.services import Outcome
from trialsite.audit.context import acting
from trialsite.core.errors import DomainError, NotFound
from trialsite.core.http import Body
from trialsite.enrollment import services
from trialsite.enrollment.api.base import KEY, OfParticipant, key_of, read
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class EnvelopeIn(Body):
    """What an opened envelope held, why it was opened, and two persons who sign for it."""

    number = serializers.IntegerField(min_value=1)
    arm = serializers.CharField(max_length=40)
    check_code = serializers.CharField(max_length=10, help_text="The ten characters beside the arm.")
    opened_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=300)
    password = serializers.CharField(write_only=True, trim_whitespace=False)
    second = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.filter(is_active=True))
    second_password = serializers.CharField(write_only=True, trim_whitespace=False)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)
    second_code = serializers.CharField(
        write_only=True, required=False, allow_blank=True, default="", max_length=20
    )


class OutcomeOut(serializers.Serializer[Any]):
    """An allocation as the server answers it."""

    participant = serializers.CharField()
    arm = serializers.CharField()
    position = serializers.IntegerField()
    allocated_at = serializers.DateTimeField()
    ledger_head = serializers.CharField()


class AllocationOut(serializers.Serializer[Any]):
    """An allocation: arm, position in the ledger, and the hash of its row."""

    participant = serializers.CharField(source="participant.code")
    arm = serializers.CharField()
    position = serializers.IntegerField()
    allocated_at = serializers.DateTimeField()
    hash = serializers.CharField()


class AllocationView(OfParticipant):
    """The allocation, to those who may see the arm."""

    capability = capabilities.ARM_SEE

    @extend_schema(operation_id="participants_allocation", responses=AllocationOut)
    def get(self, request: Request, code: str) -> Response:
        made = arms.visible_to(actor_of(request)).filter(participant=self.participant(request, code)).first()
        if made is None:
            raise NotFound
        return Response(AllocationOut(made).data)


class RandomizeIn(Body):
    """The stratification values that were confirmed; left out, those on record are taken."""

    strata = serializers.DictField(child=serializers.CharField(max_length=80), required=False)


class Randomize(OfParticipant):
    """The allocation: committed before this answers."""

    capability = capabilities.RANDOMIZE
    own_transaction = True

    @extend_schema(
        operation_id="participants_randomize",
        request=RandomizeIn,
        responses={201: OutcomeOut},
        parameters=[KEY],
        examples=[OpenApiExample("randomize", {"strata": {"site": "SHGH"}}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        try:
            asked, key = read(RandomizeIn, request), key_of(request)
        except (APIException, DomainError):
            # Of another hospital's participant nobody learns more than that there is none.
            with acting(actor_of(request)):
                self.participant(request, code)
            raise
        outcome = services.randomize(
            actor=actor_of(request), participant=code, idempotency_key=key, strata=asked.get("strata")
        )
        return _answer(request, outcome)


class Envelope(OfParticipant):
    """An allocation that was made from a sealed envelope while the system was down."""

    capability = capabilities.RANDOMIZE
    own_transaction = True

    @extend_schema(
        operation_id="participants_enter_envelope",
        request=EnvelopeIn,
        responses={201: OutcomeOut},
        parameters=[KEY],
        examples=[
            OpenApiExample(
                "envelope",
                {
                    "number": 1,
                    "arm": "RFA_PVP",
                    "check_code": "0d75aa47c9",
                    "opened_at": "2026-03-11T10:30:00+08:00",
                    "reason": "No power in the server room.",
                    "password": "…",
                    "second": "wang",
                    "second_password": "…",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        with acting(actor_of(request)):
            participant = self.participant(request, code)
            asked = read(EnvelopeIn, request)
        outcome = services.enter_envelope(
            actor=actor_of(request), participant=participant, idempotency_key=key_of(request), **asked
        )
        return _answer(request, outcome)


def _answer(request: Request, outcome: Outcome) -> Response:
    body = {
        "participant": outcome.participant.code,
        "arm": outcome.arm
        if has(actor_of(request), capabilities.ARM_SEE, site=outcome.participant.site_id)
        else "hidden",
        "position": outcome.position,
        "allocated_at": outcome.allocated_at,
        "ledger_head": outcome.ledger_head,
    }
    return Response(OutcomeOut(body).data, status=200 if outcome.replayed else 201)
