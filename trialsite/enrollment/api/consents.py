"""Registration and consent over REST."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import Invalid
from trialsite.core.http import Body, Endpoint
from trialsite.enrollment import corrections, services
from trialsite.enrollment.api.base import KEY, OfParticipant, key_of, read
from trialsite.participants import services as participants
from trialsite.participants.api import ParticipantOut
from trialsite.participants.api.screening import IdentityIn
from trialsite.participants.models import Consent, Participant
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class RegisterIn(Body):
    """Where the participant is screened, and who it is as far as that is known already."""

    site = serializers.SlugField(max_length=12)
    identity = IdentityIn(required=False, help_text="Who it is. Needed before eligibility is signed.")


class ConsentIn(Body):
    """Who signed which version, when (ISO 8601 with zone). `obtained_by`: the user name of who obtained it."""

    form_version = serializers.CharField(max_length=40)
    patient_signed_at = serializers.DateTimeField()
    family_signed_at = serializers.DateTimeField(allow_null=True, default=None)
    obtained_by = serializers.CharField(max_length=60, required=False)


class ConsentCorrectionIn(Body):
    """Which consent, the times as they should be, the version of the entry that is corrected, and why.

    `obtained_by` and `signed_version` where who obtained it, or what was signed, is recorded wrongly. `obtained_at`
    tells apart two consents to forms of one name, before and after a transfer.
    """

    form_version = serializers.CharField(max_length=40)
    patient_signed_at = serializers.DateTimeField()
    family_signed_at = serializers.DateTimeField(allow_null=True, default=None)
    version = serializers.IntegerField(min_value=1, source="expected_version")
    reason = serializers.CharField(max_length=300)
    obtained_by = serializers.CharField(max_length=60, required=False)
    signed_version = serializers.CharField(max_length=40, required=False)
    obtained_at = serializers.SlugField(max_length=12, required=False)


class ConsentOut(ConsentIn):
    """A consent as recorded; `version` rises with each correction."""

    version = serializers.IntegerField()
    participant = serializers.CharField(source="participant.code")
    obtained_by = serializers.CharField(source="obtained_by.username")
    obtained_at = serializers.CharField(source="obtained_at.code")
    delegated = serializers.SerializerMethodField(
        help_text="Whether who obtained it stood on the delegation log then; null to whoever may not see the log."
    )

    def get_delegated(self, given: Consent) -> bool | None:
        found: bool | None = getattr(given, "delegated", None)
        return found


def consent_asked(request: Request, shape: type[serializers.Serializer[Any]] = ConsentIn) -> dict[str, Any]:
    """The body of a consent, with the person who obtained it in place of the name."""
    asked = read(shape, request)
    name = asked.pop("obtained_by", None)
    if name is not None:
        asked["obtained_by"] = User.objects.filter(username=name, is_active=True).first()
        if asked["obtained_by"] is None:
            raise Invalid(fields={"obtained_by": [_("There is no such account.")]})
    if "obtained_at" in asked:
        site = Site.objects.filter(code=asked["obtained_at"]).first()
        if site is None:
            raise Invalid(fields={"obtained_at": [_("There is no such hospital.")]})
        asked["obtained_at"] = site.pk
    return asked


def _consents(actor: User, participant: Participant) -> QuerySet[Consent]:
    """The consents of a participant, with what the delegation log says of each where `actor` may see it."""
    given = participant.consents.select_related("participant", "obtained_by", "obtained_at")
    return (
        given.with_delegation() if has(actor, capabilities.ROSTER_VIEW, site=participant.site_id) else given
    )


def _identify(actor: User, made: Participant, who: dict[str, Any]) -> None:
    """With the path of each field in the body of the registration."""
    try:
        participants.register_identity(actor=actor, participant=made, **who)
    except Invalid as error:
        raise Invalid(fields={f"identity.{name}": told for name, told in error.fields.items()}) from error


class Register(Endpoint):
    """Participants: register."""

    capability = capabilities.PARTICIPANT_REGISTER

    @extend_schema(
        operation_id="participants_register",
        request=RegisterIn,
        responses={201: ParticipantOut},
        parameters=[KEY],
        examples=[
            OpenApiExample("register", {"site": "SHGH"}, request_only=True),
            OpenApiExample(
                "with identity",
                {
                    "site": "SHGH",
                    "identity": {"name": "王静", "birth_date": "1961-04-12", "last_digits": "002X"},
                },
                request_only=True,
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        asked = read(RegisterIn, request)
        site = Site.objects.visible_to(actor_of(request)).filter(code=asked["site"]).first()
        if site is None:
            raise Invalid(fields={"site": [_("There is no such hospital among yours.")]})
        made = services.register(actor=actor_of(request), site=site, registration_key=key_of(request))
        if "identity" in asked:
            _identify(actor_of(request), made, asked["identity"])
        return Response(ParticipantOut(made).data, status=201)


class Consents(OfParticipant):
    """Consent of patient and family."""

    capability = {
        "get": capabilities.PARTICIPANT_VIEW,
        "post": capabilities.CONSENT_RECORD,
        "put": capabilities.CONSENT_RECORD,
    }

    @extend_schema(operation_id="participants_consents", responses=ConsentOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        return Response(
            ConsentOut(_consents(actor_of(request), self.participant(request, code)), many=True).data
        )

    @extend_schema(
        operation_id="participants_consent",
        request=ConsentIn,
        responses={201: ConsentOut},
        examples=[
            OpenApiExample(
                "consent",
                {
                    "form_version": "1.0",
                    "patient_signed_at": "2026-03-02T09:30:00+08:00",
                    "family_signed_at": "2026-03-02T09:40:00+08:00",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        given = services.consent(actor=actor_of(request), participant=participant, **consent_asked(request))
        return Response(
            ConsentOut(_consents(actor_of(request), participant).get(pk=given.pk)).data, status=201
        )

    @extend_schema(
        operation_id="participants_correct_consent",
        request=ConsentCorrectionIn,
        responses=ConsentOut,
        examples=[
            OpenApiExample(
                "correction",
                {
                    "form_version": "1.0",
                    "patient_signed_at": "2026-03-01T09:30:00+08:00",
                    "family_signed_at": "2026-03-01T09:40:00+08:00",
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the signature on eligibility falls."""
        participant = self.participant(request, code)
        corrected = corrections.correct_consent(
            actor=actor_of(request), participant=participant, **consent_asked(request, ConsentCorrectionIn)
        )
        return Response(ConsentOut(_consents(actor_of(request), participant).get(pk=corrected.pk)).data)


class Reconsent(OfParticipant):
    """Consent to an amended form."""

    capability = capabilities.CONSENT_RECORD

    @extend_schema(
        operation_id="participants_reconsent",
        request=ConsentIn,
        responses={201: ConsentOut},
        examples=[
            OpenApiExample(
                "consent",
                {
                    "form_version": "1.1",
                    "patient_signed_at": "2026-04-02T09:30:00+08:00",
                    "family_signed_at": "2026-04-02T09:40:00+08:00",
                    "obtained_by": "investigator.sh",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        given = services.reconsent(actor=actor_of(request), participant=participant, **consent_asked(request))
        return Response(
            ConsentOut(_consents(actor_of(request), participant).get(pk=given.pk)).data, status=201
        )
