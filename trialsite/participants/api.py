"""Participants over REST: read, and contact details. The steps are enrollment's."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint, EndpointViewSet, Pages
from trialsite.participants import services
from trialsite.participants.models import Contact, Participant, ParticipantQuerySet, contact_of
from trialsite.staff import capabilities


class ParticipantOut(serializers.ModelSerializer[Participant]):
    """A participant under the code."""

    site = serializers.CharField(source="site.code")
    protocol_version = serializers.CharField(source="protocol_version.version")

    class Meta:
        model = Participant
        fields = ["code", "site", "status", "protocol_version", "created_at"]


class ParticipantPages(Pages):
    """In the order of their codes."""

    ordering = "code"


class ParticipantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Participants of one's hospitals."""

    capability = capabilities.PARTICIPANT_VIEW
    serializer_class = ParticipantOut
    pagination_class = ParticipantPages
    lookup_field = "code"
    lookup_value_regex = r"[0-9]{2}-[0-9]{3,}"
    filterset_fields = {"status": ["exact"], "site__code": ["exact"]}
    queryset = Participant.objects.none()

    def get_queryset(self) -> ParticipantQuerySet:
        return Participant.objects.visible_to(self.request.user).with_protocol()  # type: ignore[arg-type]


class ContactDetails(serializers.ModelSerializer[Contact]):
    """Name, telephone and mail, and whether messages are wanted."""

    class Meta:
        model = Contact
        fields = ["name", "phone", "email", "language", "opted_out"]


class ContactIn(serializers.Serializer[Any]):
    """All of it, at each write."""

    name = serializers.CharField(max_length=120, allow_blank=True)
    phone = serializers.CharField(max_length=40, allow_blank=True)
    email = serializers.EmailField(allow_blank=True)
    language = serializers.ChoiceField(["en", "zh-hans"])
    opted_out = serializers.BooleanField(default=False)


class ContactView(Endpoint):
    """Contact details of one participant."""

    capability = {"get": capabilities.CONTACT_VIEW, "put": capabilities.CONTACT_EDIT}

    @extend_schema(operation_id="participants_contact", responses=ContactDetails)
    def get(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(request.user).by_code(code)  # type: ignore[arg-type]
        contact = contact_of(participant, request.user)  # type: ignore[arg-type]
        if contact is None:
            raise NotFound
        return Response(ContactDetails(contact).data)

    @extend_schema(
        operation_id="participants_set_contact",
        request=ContactIn,
        responses=ContactDetails,
        examples=[
            OpenApiExample(
                "contact",
                {
                    "name": "王静",
                    "phone": "021-5550100",
                    "email": "",
                    "language": "zh-hans",
                    "opted_out": False,
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        asked = ContactIn(data=request.data)
        asked.is_valid(raise_exception=True)
        participant = Participant.objects.visible_to(request.user).by_code(code)  # type: ignore[arg-type]
        contact = services.set_contact(actor=request.user, participant=participant, **asked.validated_data)  # type: ignore[arg-type]
        return Response(ContactDetails(contact).data)
