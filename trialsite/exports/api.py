"""Exports over REST: tables as CSV streams, snapshots by number."""

from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, renderers, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.audit.context import acting
from trialsite.core.http import Body, Endpoint, EndpointViewSet
from trialsite.exports import services
from trialsite.exports.models import Snapshot
from trialsite.exports.tables import tables
from trialsite.staff.capabilities import DATA_EXPORT
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class CsvRenderer(renderers.BaseRenderer):
    """Lets a client ask for text/csv; the stream itself is already written."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return data


class TableOut(serializers.Serializer[Any]):
    """A table that may be taken as `/exports/{name}.csv`."""

    name = serializers.CharField()
    label_en = serializers.CharField(source="label.en")
    label_zh = serializers.CharField(source="label.zh")


class Asked(serializers.Serializer[Any]):
    """What the address says beside the name."""

    blinded = serializers.BooleanField(default=False)


_BLINDED = OpenApiParameter(
    "blinded", bool, description="Nothing that tells an arm, as for somebody who may not see arms."
)


def _blinded(request: Request) -> bool:
    asked = Asked(data=request.query_params)
    asked.is_valid(raise_exception=True)
    found: bool = asked.validated_data["blinded"]
    return found


class Tables(Endpoint):
    """The tables that you may export; beside them there are `codebook` and `codelists`."""

    capability = DATA_EXPORT

    @extend_schema(operation_id="exports_list", responses=TableOut(many=True), parameters=[_BLINDED])
    def get(self, request: Request) -> Response:
        reader = services.reader_of(actor_of(request), blinded=_blinded(request))
        return Response(TableOut(tables(reader), many=True).data)


class TableCsv(Endpoint):
    """One table."""

    capability = DATA_EXPORT
    own_transaction = True
    renderer_classes = [renderers.JSONRenderer, CsvRenderer]
    bulk = True

    @extend_schema(
        operation_id="exports_csv",
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="RFC 4180, UTF-8")},
        parameters=[_BLINDED],
    )
    def get(self, request: Request, name: str) -> StreamingHttpResponse:
        """The rows that you may see, streamed; the key columns stand first in every table of a form."""
        return csv_saved(actor_of(request), name, blinded=_blinded(request))


def csv_saved(actor: User, name: str, *, blinded: bool) -> StreamingHttpResponse:
    """The answer that a browser saves as the file of the table; a blinded one says so by its name."""
    rows = services.table_csv(actor=actor, name=name, blinded=blinded)
    file = f"{name}-blinded.csv" if blinded else f"{name}.csv"
    return StreamingHttpResponse(
        rows,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )


class SnapshotIn(Body):
    """What to write, and what for; `blinded` ones tell no arm."""

    format = serializers.ChoiceField(Snapshot.Format.choices)
    purpose = serializers.CharField(max_length=200)
    blinded = serializers.BooleanField(default=False)


class SnapshotOut(serializers.ModelSerializer[Snapshot]):
    """A snapshot: `id` is its number, `sha256` the hash of its file for good."""

    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Snapshot
        fields = [
            "id",
            "format",
            "purpose",
            "state",
            "shows_arms",
            "requested_by",
            "created_at",
            "finished_at",
            "sha256",
            "size",
            "contents",
            "head",
        ]


def saved_as(snapshot: Snapshot, portions: Iterator[bytes]) -> StreamingHttpResponse:
    """The answer that a browser saves as the file of the snapshot."""
    return StreamingHttpResponse(
        portions,
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{snapshot.file_name}"',
            "Content-Length": str(snapshot.size),
        },
    )


class SnapshotViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Files that were written once and never change."""

    capability = DATA_EXPORT
    serializer_class = SnapshotOut
    queryset = Snapshot.objects.none()
    filterset_fields = ["state", "format"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        return Snapshot.objects.visible_to(actor_of(self.request)).select_related("requested_by")

    @extend_schema(
        request=SnapshotIn,
        responses={202: SnapshotOut},
        examples=[
            OpenApiExample(
                "snapshot",
                {"format": "csv", "purpose": "interim report 1", "blinded": True},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Ask for one; a worker writes it."""
        asked = SnapshotIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.request_snapshot(actor=actor_of(request), **asked.validated_data)
        return Response(SnapshotOut(made).data, status=202)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], renderer_classes=[renderers.JSONRenderer, CsvRenderer])
    def file(self, request: Request, pk: str) -> StreamingHttpResponse:
        """The file, compared with its hash before it is given out."""
        with acting(actor_of(request)):
            snapshot, portions = services.snapshot_file(actor=actor_of(request), number=int(pk))
        return saved_as(snapshot, portions)
