"""The definition over REST, texts in both languages."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.capabilities import PROTOCOL_VIEW

VERSION = OpenApiParameter("version", str, description="A version by its name; without it, the one in force.")


def version_of(request: Request) -> ProtocolVersion:
    """The version that the address asks for. NotFound."""
    found = ProtocolVersion.objects.named(request.query_params.get("version", ""))
    if found is None:
        raise NotFound
    return found


class ProtocolOut(serializers.Serializer[Any]):
    """A version of the protocol. `document` holds trial, sites, visits, criteria, reminders and forms."""

    trial_id = serializers.CharField()
    version = serializers.CharField()
    sha256 = serializers.CharField()
    document = serializers.JSONField()


class Current(Endpoint):
    """The protocol in force, or another version."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_current", responses=ProtocolOut, parameters=[VERSION])
    def get(self, request: Request) -> Response:
        return Response(ProtocolOut(version_of(request)).data)


class Form(Endpoint):
    """One form of the protocol in force, or of another version."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_form", responses=OpenApiTypes.OBJECT, parameters=[VERSION])
    def get(self, request: Request, code: str) -> Response:
        for form in version_of(request).document["forms"]:
            if form["code"] == code:
                return Response(form)
        raise NotFound
