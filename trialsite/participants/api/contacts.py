"""Contact details over REST."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Body, Endpoint
from trialsite.participants import services
from trialsite.participants.api.participants import ParticipantOut
from trialsite.participants.models import Contact, Participant, contact_of
from trialsite.staff import capabilities


class _Contact(Body):
    """How to reach a participant."""

    name = serializers.CharField(max_length=120, allow_blank=True)
    phone = serializers.CharField(max_length=40, allow_blank=True)
    email = serializers.EmailField(allow_blank=True)
    language = serializers.ChoiceField(["en", "zh-hans"])
    channel = serializers.ChoiceField(Contact.Channel.choices, default=Contact.Channel.EMAIL)
    contact_consent = serializers.BooleanField()
    opted_out = serializers.BooleanField(default=False)


class ContactIn(_Contact):
    """All of it, at each write; what was written once changes for a `reason` only."""

    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class ContactDetails(_Contact):
    """How to reach a participant; all empty once `erased_at` is set."""

    erased_at = serializers.DateTimeField(read_only=True)


class ErasureIn(Body):
    """Why the details go."""

    reason = serializers.CharField(max_length=500)


class SearchIn(Body):
    """What to look for: exactly this name, telephone number or mail address."""

    by = serializers.ChoiceField(["name", "phone", "email"])
    text = serializers.CharField(max_length=254)


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
                    "channel": "sms",
                    "contact_consent": True,
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


class ContactErasure(Endpoint):
    """Erasure of the contact details of one participant."""

    capability = capabilities.CONTACT_ERASE

    @extend_schema(
        operation_id="participants_erase_contact",
        request=ErasureIn,
        responses=ContactDetails,
        examples=[
            OpenApiExample("erasure", {"reason": "The participant asked for it."}, request_only=True),
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = ErasureIn(data=request.data)
        asked.is_valid(raise_exception=True)
        participant = Participant.objects.visible_to(request.user).by_code(code)  # type: ignore[arg-type]
        erased = services.erase_contact(actor=request.user, participant=participant, **asked.validated_data)  # type: ignore[arg-type]
        return Response(ContactDetails(erased).data)


class ContactSearch(Endpoint):
    """Who is this? By POST, so that neither name nor number stands in an address or a log."""

    capability = capabilities.CONTACT_VIEW

    @extend_schema(
        operation_id="contacts_search",
        request=SearchIn,
        responses=ParticipantOut(many=True),
        examples=[OpenApiExample("telephone", {"by": "phone", "text": "021-5550100"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = SearchIn(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.find_by_contact(actor=request.user, **asked.validated_data)  # type: ignore[arg-type]
        return Response(ParticipantOut(found, many=True).data)
