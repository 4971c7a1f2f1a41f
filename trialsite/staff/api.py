"""Tokens over REST: a person makes one for a program, sees it once, and ends it."""

import datetime as dt
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.http import Body, EndpointViewSet, NewestFirst, Pages
from trialsite.staff import capabilities, tokens
from trialsite.staff.models import Signature, SignatureQuerySet, SignedVersion, Token
from trialsite.staff.permissions import actor_of


class TokenIn(Body):
    """What the token is for, for how many days, and what it may do: no more than its owner."""

    name = serializers.CharField(max_length=60)
    days = serializers.IntegerField(min_value=1, max_value=366, default=90)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(capabilities.GRANTED)),
        required=False,
        allow_empty=False,
        help_text="Capabilities. Without it: all that you hold now.",
    )
    sites = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        allow_empty=False,
        help_text="Ids of hospitals. Without it: all of yours.",
    )


class TokenOut(serializers.ModelSerializer[Token]):
    """A token without its secret: `token_key` is its first characters."""

    scopes = serializers.ListField(child=serializers.CharField())
    sites = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    responsible = serializers.CharField(source="responsible.username")
    last_used_at = serializers.DateTimeField(source="use.last_used_at", allow_null=True)

    class Meta:
        model = Token
        fields = [
            *("token_key", "name", "created", "expiry", "revoked_at", "scopes", "sites", "responsible"),
            "last_used_at",
        ]


class NewTokenOut(serializers.Serializer[Any]):
    """The secret, shown this once."""

    token = serializers.CharField()


class TokenPages(Pages):
    """Newest first."""

    ordering = "-created"


class TokenViewSet(mixins.ListModelMixin, EndpointViewSet):
    """One's own tokens."""

    capability = capabilities.TOKEN_OWN
    serializer_class = TokenOut
    pagination_class = TokenPages
    lookup_field = "token_key"
    queryset = Token.objects.none()

    def get_queryset(self) -> Any:
        return Token.objects.filter(user_id=self.request.user.pk).select_related("responsible", "use")

    @extend_schema(
        request=TokenIn,
        responses={201: NewTokenOut},
        examples=[
            OpenApiExample(
                "token",
                {"name": "nightly export", "days": 90, "scopes": ["participant.view", "record.view"]},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Make one; the answer holds the secret, this once."""
        asked = TokenIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        secret = tokens.issue_token(
            actor=actor,
            user=actor,
            name=asked.validated_data["name"],
            valid_for=dt.timedelta(days=asked.validated_data["days"]),
            scopes=asked.validated_data.get("scopes"),
            sites=asked.validated_data.get("sites"),
        )
        return Response({"token": secret}, status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, token_key: str) -> Response:
        """End one now."""
        tokens.end_token(actor=actor_of(request), token=self.get_object())
        return Response(status=204)


class SignedVersionOut(serializers.ModelSerializer[SignedVersion]):
    """One record version that a signature covers."""

    class Meta:
        model = SignedVersion
        fields = ["kind", "record_id", "version"]


class SignatureOut(serializers.ModelSerializer[Signature]):
    """An electronic signature: who, when, with which meaning, over which content, and whether it still stands."""

    site = serializers.CharField(source="site.code")
    signer = serializers.CharField(source="signer.username")
    standing = serializers.BooleanField()
    covered = SignedVersionOut(many=True)

    class Meta:
        model = Signature
        fields = [
            "id",
            "site",
            "signer",
            "printed_name",
            "meaning",
            "signed_at",
            "content_hash",
            "standing",
            "fallen_at",
            "fallen_reason",
            "covered",
        ]


class SignatureViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Electronic signatures, standing and fallen, newest first."""

    capability = capabilities.RECORD_VIEW
    serializer_class = SignatureOut
    queryset = Signature.objects.none()
    pagination_class = NewestFirst
    filterset_fields = ("signer__username", "site__code")

    def get_queryset(self) -> SignatureQuerySet:
        seen = Signature.objects.visible_to(actor_of(self.request))
        return seen.select_related("site", "signer").prefetch_related("covered")
