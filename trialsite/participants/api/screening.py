"""The screening log, transfers and identities over REST."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import Invalid
from trialsite.core.http import Body, Endpoint
from trialsite.participants import screening, services
from trialsite.participants.api.participants import ParticipantOut
from trialsite.participants.models import Identity, Participant, SamePerson
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class LogLineOut(serializers.Serializer[Any]):
    """One attempt: whose, when registered, when consented, where it stands, why it failed."""

    participant = serializers.CharField(source="attempt.code")
    site = serializers.CharField(source="attempt.site.code")
    attempt = serializers.IntegerField(source="attempt.attempt")
    previous = serializers.CharField(source="attempt.previous.code", default=None, allow_null=True)
    same_person = serializers.ListField(
        child=serializers.CharField(),
        help_text="Who was registered apart from this attempt and is the same person, at this hospital.",
    )
    registered_on = serializers.DateTimeField(source="attempt.created_at")
    consented_at = serializers.DateTimeField(source="attempt.consented_at", allow_null=True)
    status = serializers.CharField(source="attempt.status")
    reason = serializers.CharField(source="attempt.screen_failure.reason", default=None, allow_null=True)
    criteria = serializers.ListField(source="attempt.screen_failure.criteria", default=list)
    note = serializers.CharField(source="attempt.screen_failure.note", default="", allow_null=True)


class TransferIn(Body):
    """The hospital that goes on with the participant, and why."""

    site = serializers.SlugField(max_length=12)
    reason = serializers.CharField(max_length=300)


class IdentityIn(Body):
    """Who it is. Only a keyed digest of it is kept.

    `last_digits`: the last four signs of the identity card's number, or the whole number, whose date of birth and
    check digit are then compared.
    """

    name = serializers.CharField(max_length=120)
    birth_date = serializers.DateField()
    last_digits = serializers.CharField(max_length=40)


class IdentityCorrectionIn(IdentityIn):
    """Who it is; with `reason` where somebody else was entered by mistake."""

    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class IdentityOut(serializers.Serializer[Any]):
    """Whether it was entered who it is; `unavailable` says why nobody can. What was entered is kept nowhere."""

    entered = serializers.BooleanField()
    unavailable = serializers.CharField(allow_blank=True)


class UnavailableIn(Body):
    """Why nobody can say who it is."""

    unavailable = serializers.CharField(max_length=300)


class SamePersonOut(serializers.Serializer[Any]):
    """Two participants who are one person."""

    first = serializers.CharField(source="first.code")
    second = serializers.CharField(source="second.code")
    found_at = serializers.DateTimeField(source="created_at")
    stands = serializers.BooleanField(help_text="False where an entry was corrected since.")


class ScreeningLog(Endpoint):
    """The screening log of one's hospitals."""

    capability = capabilities.PARTICIPANT_VIEW

    @extend_schema(operation_id="screening_log", responses=LogLineOut(many=True))
    def get(self, request: Request) -> Response:
        lines = screening.lines(actor_of(request), site=request.query_params.get("site", ""))
        return Response(LogLineOut(lines, many=True).data)


class TransferView(Endpoint):
    """The move to another hospital."""

    capability = capabilities.PARTICIPANT_TRANSFER

    @extend_schema(
        operation_id="participants_transfer",
        request=TransferIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample("transfer", {"site": "SMU3", "reason": "Moved to Guangzhou."}, request_only=True)
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        asked = TransferIn(data=request.data)
        asked.is_valid(raise_exception=True)
        to = Site.objects.filter(code=asked.validated_data["site"]).first()
        if to is None:
            raise Invalid(fields={"site": [_("There is no such hospital.")]})
        moved = services.transfer(
            actor=actor_of(request), participant=participant, to=to, reason=asked.validated_data["reason"]
        )
        return Response(ParticipantOut(moved).data)


class IdentityView(Endpoint):
    """Who it is; answers with the participants of this hospital who are the same person."""

    capability = {"get": capabilities.PARTICIPANT_VIEW, "put": capabilities.PARTICIPANT_REGISTER}

    @extend_schema(operation_id="participants_identity_state", responses=IdentityOut)
    def get(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        known = Identity.objects.filter(participant=participant).first()
        told = {
            "entered": bool(known and known.digests),
            "unavailable": known.unavailable if known else "",
        }
        return Response(IdentityOut(told).data)

    @extend_schema(
        operation_id="participants_identity",
        request=IdentityCorrectionIn,
        responses=ParticipantOut(many=True),
        examples=[
            OpenApiExample(
                "identity",
                {"name": "王静", "birth_date": "1961-04-12", "last_digits": "002X"},
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        asked = IdentityCorrectionIn(data=request.data)
        asked.is_valid(raise_exception=True)
        same = services.record_identity(
            actor=actor_of(request), participant=participant, **asked.validated_data
        )
        return Response(ParticipantOut(same, many=True).data)


class IdentityUnavailable(Endpoint):
    """Why nobody can say who it is; entering it later takes the place of this."""

    capability = capabilities.PARTICIPANT_REGISTER

    @extend_schema(
        operation_id="participants_identity_unavailable",
        request=UnavailableIn,
        responses=IdentityOut,
        examples=[
            OpenApiExample(
                "reason", {"unavailable": "No card; the family brings it later."}, request_only=True
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        asked = UnavailableIn(data=request.data)
        asked.is_valid(raise_exception=True)
        reason = asked.validated_data["unavailable"]
        services.identity_not_available(actor=actor_of(request), participant=participant, reason=reason)
        return Response(IdentityOut({"entered": False, "unavailable": reason}).data)


class SamePersons(Endpoint):
    """Persons who were registered at two hospitals: for whoever reviews identities."""

    capability = capabilities.IDENTITY_REVIEW

    @extend_schema(operation_id="same_persons", responses=SamePersonOut(many=True))
    def get(self, request: Request) -> Response:
        pairs = SamePerson.objects.select_related("first__identity", "second__identity")
        return Response(SamePersonOut(pairs, many=True).data)
