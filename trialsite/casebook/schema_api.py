"""The JSON Schema of a form over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook.schemas import schema_of
from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint
from trialsite.protocol.definition import Unknown
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.capabilities import PROTOCOL_VIEW


class FormSchema(Endpoint):
    """The JSON Schema (2020-12) of the values of a form of the protocol in force."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_form_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, code: str) -> Response:
        version = ProtocolVersion.objects.current()
        try:
            form = version.definition.form(code) if version else None
        except Unknown:
            form = None
        if form is None:
            raise NotFound
        return Response(schema_of(form))
