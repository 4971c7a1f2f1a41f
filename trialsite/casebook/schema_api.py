"""The JSON Schema of a form over REST."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook.schemas import schema_of
from trialsite.core.errors import NotFound
from trialsite.core.http import Endpoint
from trialsite.protocol.api import VERSION, version_of
from trialsite.protocol.definition import Unknown
from trialsite.staff.capabilities import PROTOCOL_VIEW


class FormSchema(Endpoint):
    """The JSON Schema (2020-12) of the values of a form, of the protocol in force or of another version."""

    capability = PROTOCOL_VIEW

    @extend_schema(operation_id="protocol_form_schema", responses=OpenApiTypes.OBJECT, parameters=[VERSION])
    def get(self, request: Request, code: str) -> Response:
        try:
            form = version_of(request).definition.form(code)
        except Unknown as error:
            raise NotFound from error
        return Response(schema_of(form))
