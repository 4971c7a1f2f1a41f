"""Hospitals over REST."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Body, EndpointViewSet, Pages
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites import services
from trialsite.sites.models import Activation, ActivationSignature, Site, SiteQuerySet
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class SiteOut(serializers.ModelSerializer[Site]):
    """A hospital."""

    class Meta:
        model = Site
        fields = [
            "code",
            "number",
            "name_en",
            "name_zh",
            "timezone",
            "phone",
            "target",
            "cap",
            "limit",
            "state",
        ]


class StateIn(Body):
    """The wanted state and why."""

    state = serializers.ChoiceField(["active", "paused", "closed"])
    reason = serializers.CharField(max_length=300)


class CapIn(Body):
    """A cap beside the protocol's (null: none), and why."""

    limit = serializers.IntegerField(min_value=0, max_value=100_000, allow_null=True)
    reason = serializers.CharField(max_length=300)


class ActivationSignatureOut(serializers.ModelSerializer[ActivationSignature]):
    """One of the two signatures."""

    printed_name = serializers.CharField(source="signature.printed_name")
    meaning = serializers.CharField(source="signature.meaning")
    signed_at = serializers.DateTimeField(source="signature.signed_at")
    content_hash = serializers.CharField(source="signature.content_hash")

    class Meta:
        model = ActivationSignature
        fields = ["side", "printed_name", "meaning", "signed_at", "content_hash"]


class ActivationOut(serializers.ModelSerializer[Activation]):
    """A protocol version at a hospital, its ethics approval and its signatures."""

    version = serializers.CharField(source="protocol_version.version")
    sha256 = serializers.CharField(source="protocol_version.sha256")
    signatures = ActivationSignatureOut(many=True)

    class Meta:
        model = Activation
        fields = [
            "version",
            "sha256",
            "ethics_approved_on",
            "ethics_reference",
            "state",
            "activated_at",
            "signatures",
        ]


class ActivationIn(Body):
    """The version, the ethics approval as its letter says, and one's password again."""

    version = serializers.CharField(max_length=40)
    ethics_approved_on = serializers.DateField()
    ethics_reference = serializers.CharField(max_length=80)
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)


class SitePages(Pages):
    """Hospitals in the order of their numbers."""

    ordering = "number"


class SiteViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Hospitals: list, read, activate, pause, close; protocol versions activated there."""

    capability = {
        "list": capabilities.SITE_VIEW,
        "retrieve": capabilities.SITE_VIEW,
        "state": capabilities.SITE_MANAGE,
        "limit": capabilities.SITE_MANAGE,
        "activations": capabilities.PROTOCOL_VIEW,
        "sign_activation": capabilities.ACTIVATION_SIGN,
    }
    serializer_class = SiteOut
    pagination_class = SitePages
    lookup_field = "code"
    queryset = Site.objects.none()

    def get_queryset(self) -> SiteQuerySet:
        return Site.objects.visible_to(self.request.user)  # type: ignore[arg-type]

    @extend_schema(
        request=StateIn,
        responses=SiteOut,
        examples=[OpenApiExample("state", {"state": "active", "reason": "Opened."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def state(self, request: Request, code: str) -> Response:
        """Activate, pause or close."""
        asked = StateIn(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = services.set_state(actor=request.user, site=self.get_object(), **asked.validated_data)  # type: ignore[arg-type]
        return Response(SiteOut(changed).data)

    @extend_schema(
        request=CapIn,
        responses=SiteOut,
        examples=[OpenApiExample("limit", {"limit": 40, "reason": "One theatre."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def limit(self, request: Request, code: str) -> Response:
        """A cap for this hospital beside the protocol's; the lower one holds."""
        asked = CapIn(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = services.set_limit(actor=actor_of(request), site=self.get_object(), **asked.validated_data)
        return Response(SiteOut(changed).data)

    @extend_schema(responses=ActivationOut(many=True))
    @action(detail=True, pagination_class=None)
    def activations(self, request: Request, code: str) -> Response:
        """Protocol versions at this hospital, newest first."""
        found = (
            Activation.objects.visible_to(actor_of(request))
            .filter(site=self.get_object())
            .select_related("protocol_version")
            .defer("protocol_version__document")
            .prefetch_related("signatures__signature")
        )
        return Response(ActivationOut(found, many=True).data)

    @extend_schema(
        request=ActivationIn,
        responses=ActivationOut,
        examples=[
            OpenApiExample(
                "activation",
                {
                    "version": "1.0",
                    "ethics_approved_on": "2025-06-01",
                    "ethics_reference": "EC-2025-017",
                    "password": "correct horse battery",
                },
                request_only=True,
            )
        ],
    )
    @activations.mapping.post
    def sign_activation(self, request: Request, code: str) -> Response:
        """Sign that a version may be used here; the second signature, of the other side, activates it."""
        asked = ActivationIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        version = ProtocolVersion.objects.filter(version=given.pop("version")).defer("document").first()
        if version is None:
            raise NotFound
        actor = actor_of(request)
        signed = services.sign_activation(actor=actor, site=self.get_object(), version=version, **given)
        return Response(ActivationOut(signed).data)
