"""Imports over REST."""

import codecs
from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import generics, mixins, serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.errors import NotFound
from trialsite.core.http import Body, Declared, EndpointViewSet
from trialsite.core.parsing import BoundedJSONParser
from trialsite.imports import services
from trialsite.imports.models import Import, RowFault
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class CsvParser(BaseParser):
    """A CSV as the body itself; `form`, `reason` and `dry_run` then stand in the address."""

    media_type = "text/csv"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        content = stream.read(services.MOST_BYTES + 1)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError("CSV must be UTF-8") from error
        asked = dict((parser_context or {})["request"].query_params.items())
        return {**asked, "csv": text.removeprefix(codecs.BOM_UTF8.decode())}


class ImportIn(Body):
    """Rows for one form: either `csv`, in the shape of the exported table, or `rows`.

    A row of `rows` holds `participant`, `event`, `values` (as a record takes them; null takes an entry away) and, where
    wanted, `repeat`, `state` (`complete` or `draft`) and `record_version`, the version that a change is based on.
    """

    form = serializers.CharField(max_length=40)
    reason = serializers.CharField(max_length=200)
    dry_run = serializers.BooleanField(default=False)
    csv = serializers.CharField(required=False, trim_whitespace=False, allow_blank=True)
    rows = serializers.ListField(child=serializers.JSONField(allow_null=True), required=False)


class ImportOut(serializers.ModelSerializer[Import]):
    """An import: how many of its `rows` are worked off (`done`), and how each of those ended."""

    class Meta:
        model = Import
        fields = [
            "id",
            "form",
            "format",
            "sha256",
            "dry_run",
            "reason",
            "state",
            "rows",
            "done",
            "saved",
            "unchanged",
            "refused",
            "created_at",
            "finished_at",
        ]


class RowFaultOut(serializers.ModelSerializer[RowFault]):
    """A refused row: `row` counts from 1 below the head; `fields` names each column or item with its sentences."""

    class Meta:
        model = RowFault
        fields = ["row", "participant", "event", "code", "message", "fields"]


_LINES = "participant,event,repeat,state,paindat,worst,average\n"
_CSV = _LINES + "01-001,W1,1,complete,2026-03-08,4,3\n"
_EXAMPLES = [
    OpenApiExample(
        "rows",
        {
            "form": "pain",
            "reason": "transcribed from the pain diary",
            "dry_run": True,
            "rows": [
                {
                    "participant": "01-001",
                    "event": "W1",
                    "values": {"paindat": "2026-03-08", "worst": "4", "average": "3"},
                }
            ],
        },
        request_only=True,
        media_type="application/json",
    ),
    OpenApiExample(
        "csv",
        {
            "form": "pain",
            "reason": "transcribed from the pain diary",
            "csv": _CSV,
        },
        request_only=True,
        media_type="application/json",
    ),
    OpenApiExample("file", _CSV, request_only=True, media_type="text/csv"),
]


class ImportViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Your imports. The same file again changes nothing; one that was interrupted goes on by itself."""

    capability = capabilities.RECORD_EDIT
    serializer_class = ImportOut
    queryset = Import.objects.none()
    filterset_fields = ["state", "form"]
    lookup_value_regex = "[0-9]{1,18}"
    parser_classes = [BoundedJSONParser, CsvParser]
    bulk = True

    def get_queryset(self) -> Any:
        return Import.objects.visible_to(actor_of(self.request))

    @extend_schema(
        request={"application/json": ImportIn, "text/csv": OpenApiTypes.STR},
        responses={202: ImportOut, 200: ImportOut},
        parameters=[
            OpenApiParameter("form", str, description="With text/csv: the form."),
            OpenApiParameter("reason", str, description="With text/csv: why."),
            OpenApiParameter("dry_run", bool, description="With text/csv: only try."),
        ],
        examples=_EXAMPLES,
    )
    def create(self, request: Request) -> Response:
        """Take rows in; a worker checks and saves each like a record that is entered, or only tries them (`dry_run`).

        Answers 202, and 200 where the same file waits already. Columns that do not fit the form are refused at once;
        what is wrong with single rows stands under `faults/`, all items of all rows.
        """
        asked = ImportIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made, new = services.request_import(actor=actor_of(request), **asked.validated_data)
        return Response(ImportOut(made).data, status=202 if new else 200)


class RowFaults(Declared, generics.ListAPIView[RowFault]):
    """The rows of an import that were refused, and why."""

    capability = capabilities.RECORD_EDIT
    serializer_class = RowFaultOut
    queryset = RowFault.objects.none()

    def get_queryset(self) -> Any:
        found = Import.objects.visible_to(actor_of(self.request)).filter(pk=self.kwargs["id"]).first()
        if found is None:
            raise NotFound
        return found.faults.all()
