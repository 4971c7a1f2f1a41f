"""The definition over REST, texts in both languages."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.capabilities import PROTOCOL_VIEW


class ProtocolOut(serializers.Serializer[Any]):
    """A version of the protocol. `document` holds trial, sites, visits, criteria, reminders and forms."""

    trial_id = serializers.CharField()
    version = serializers.CharField()
    sha256 = serializers.CharField()
    document = serializers.JSONField()


class Current(Endpoint):
    """The protocol in force."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_current", responses=ProtocolOut)
    def get(self, request: Request) -> Response:
        version = ProtocolVersion.objects.current()
        if version is None:
            raise NotFound
        return Response(ProtocolOut(version).data)


class Form(Endpoint):
    """One form of the protocol in force."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_form", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, code: str) -> Response:
        version = ProtocolVersion.objects.current()
        for form in version.document["forms"] if version else ():
            if form["code"] == code:
                return Response(form)
        raise NotFound
