"""Records and queries over REST."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import limits, services
from trialsite.casebook.models import NormalLimit, Query, Record, Score
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Declared, Endpoint, NewestFirst
from trialsite.participants.models import Participant
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff import capabilities


class RecordOut(serializers.ModelSerializer[Record]):
    """A record: each item as entered (value, unit, sign, limit of normal), with the exact canonical value `si`."""

    participant = serializers.CharField(source="participant.code")
    updated_by = serializers.CharField(source="updated_by.username")

    class Meta:
        model = Record
        fields = [
            "participant",
            "event",
            "form",
            "repeat",
            "state",
            "version",
            "observed_on",
            "data",
            "updated_by",
            "updated_at",
        ]


class QueryOut(serializers.ModelSerializer[Query]):
    """A query."""

    participant = serializers.CharField(source="participant.code")
    event = serializers.CharField(source="record.event")
    form = serializers.CharField(source="record.form")

    class Meta:
        model = Query
        fields = [
            "id",
            "participant",
            "event",
            "form",
            "item",
            "text_en",
            "text_zh",
            "state",
            "created_at",
            "closed_at",
        ]


class ScoreOut(serializers.ModelSerializer[Score]):
    """A score with what it was computed from; `value` is exact, and empty where `reason` says why it is open."""

    class Meta:
        model = Score
        fields = [
            "event",
            "instrument",
            "repeat",
            "name",
            "value",
            "reason",
            "algorithm",
            "inputs",
            "computed_at",
        ]


class SavedOut(RecordOut):
    """A record after saving, with its open queries."""

    queries = serializers.SerializerMethodField()

    class Meta(RecordOut.Meta):
        fields = [*RecordOut.Meta.fields, "queries"]

    def get_queries(self, record: Record) -> list[dict[str, Any]]:
        return [
            dict(QueryOut(query).data)
            for query in record.queries.open().select_related("participant", "record")
        ]


class RecordIn(serializers.Serializer[Any]):
    """What to save. `expected_version` is the version you saw (the `If-Match` header says the same)."""

    values = serializers.DictField()
    expected_version = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    reason = serializers.CharField(required=False, default="", max_length=500, allow_blank=True)
    complete = serializers.BooleanField(default=True)


_LABS = OpenApiExample(
    "labs",
    {"values": {"lbdat": "2026-03-01", "hgb": {"value": "12.1", "unit": "g/dL"}}, "complete": False},
    request_only=True,
)


class OfParticipant(Declared, generics.ListAPIView[Any]):
    """Base of the lists of one participant."""

    capability: ClassVar[str | Mapping[str, str]] = capabilities.RECORD_VIEW

    def rows(self, model: Any) -> Any:
        """The rows of `model` that belong to the participant and may be seen."""
        actor: Any = self.request.user
        participant = Participant.objects.visible_to(actor).by_code(self.kwargs["code"])
        return model.objects.visible_to(actor).filter(participant=participant)


class Records(OfParticipant):
    """All records of a participant."""

    serializer_class = RecordOut
    pagination_class = NewestFirst
    queryset = Record.objects.none()

    def get_queryset(self) -> Any:
        return self.rows(Record).select_related("participant", "updated_by")


class Queries(OfParticipant):
    """All queries of a participant."""

    serializer_class = QueryOut
    pagination_class = NewestFirst
    filterset_fields = ["state"]
    queryset = Query.objects.none()

    def get_queryset(self) -> Any:
        return self.rows(Query).select_related("participant", "record")


class Scores(OfParticipant):
    """All scores of a participant, the response of pain included."""

    serializer_class = ScoreOut
    filterset_fields = ["instrument", "event"]
    queryset = Score.objects.none()

    def get_queryset(self) -> Any:
        return self.rows(Score)


class RecordView(Endpoint):
    """One record."""

    capability = {
        "get": capabilities.RECORD_VIEW,
        "put": capabilities.RECORD_EDIT,
        "patch": capabilities.RECORD_EDIT,
    }

    @extend_schema(operation_id="records_retrieve", responses=RecordOut)
    def get(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        actor: Any = request.user
        participant = Participant.objects.visible_to(actor).by_code(code)
        record = (
            Record.objects.visible_to(actor)
            .select_related("participant", "updated_by")
            .filter(participant=participant, event=event, form=form, repeat=repeat)
            .first()
        )
        if record is None:
            raise NotFound
        return Response(RecordOut(record).data, headers={"ETag": f'"{record.version}"'})

    @extend_schema(
        operation_id="records_save",
        request=RecordIn,
        responses=SavedOut,
        examples=[_LABS],
    )
    def put(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        return self._save(request, code, event, form, repeat, partial=False)

    @extend_schema(
        operation_id="records_amend",
        request=RecordIn,
        responses=SavedOut,
        examples=[_LABS],
        description="Changes the items named and leaves the others; null takes an item away.",
    )
    def patch(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        return self._save(request, code, event, form, repeat, partial=True)

    def _save(
        self, request: Request, code: str, event: str, form: str, repeat: int, *, partial: bool
    ) -> Response:
        asked = RecordIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor: Any = request.user
        participant = Participant.objects.visible_to(actor).by_code(code)
        expected = _if_match(request, asked.validated_data.pop("expected_version", None))
        saved = services.save_record(
            actor=actor,
            participant=participant,
            event=event,
            form=form,
            repeat=repeat,
            expected_version=expected,
            partial=partial,
            **asked.validated_data,
        )
        return Response(SavedOut(saved.record).data, headers={"ETag": f'"{saved.record.version}"'})


class RepeatView(RecordView):
    """One of several records of a form that repeats."""

    @extend_schema(operation_id="records_retrieve_repeat", responses=RecordOut)
    def get(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        return super().get(request, code, event, form, repeat)

    @extend_schema(operation_id="records_save_repeat", request=RecordIn, responses=SavedOut, examples=[_LABS])
    def put(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        return super().put(request, code, event, form, repeat)

    @extend_schema(
        operation_id="records_amend_repeat", request=RecordIn, responses=SavedOut, examples=[_LABS]
    )
    def patch(self, request: Request, code: str, event: str, form: str, repeat: int = 1) -> Response:
        return super().patch(request, code, event, form, repeat)


class LimitOut(serializers.ModelSerializer[NormalLimit]):
    """A limit of normal as the register holds it."""

    site = serializers.CharField(source="site.code")
    entered_by = serializers.CharField(source="entered_by.username")

    class Meta:
        model = NormalLimit
        fields = [
            "id",
            "site",
            "form",
            "item",
            "sex",
            "value",
            "unit",
            "valid_from",
            "valid_until",
            "source",
            "entered_by",
            "withdrawn_at",
        ]


class LimitIn(serializers.Serializer[Any]):
    """A limit as the laboratory gives it. Without `sex` it holds for both; without `unit`, in the item's own."""

    site = serializers.SlugField(max_length=12)
    form = serializers.CharField(max_length=40)
    item = serializers.CharField(max_length=40)
    sex = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    value = serializers.CharField(max_length=20)
    unit = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    valid_from = serializers.DateField()
    valid_until = serializers.DateField(required=False, allow_null=True, default=None)
    source = serializers.CharField(max_length=200)  # type: ignore[assignment]


class WithdrawIn(serializers.Serializer[Any]):
    """Why the limit is wrong."""

    reason = serializers.CharField(max_length=300)


class Limits(Declared, generics.ListAPIView[Any]):
    """The register of limits of normal."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.LIMIT_MANAGE}
    serializer_class = LimitOut
    filterset_fields = ["site__code", "form", "item"]
    queryset = NormalLimit.objects.none()

    def get_queryset(self) -> Any:
        actor: Any = self.request.user
        return NormalLimit.objects.visible_to(actor).select_related("site", "entered_by")

    @extend_schema(
        operation_id="limits_enter",
        request=LimitIn,
        responses={201: LimitOut},
        examples=[
            OpenApiExample(
                "AST",
                {
                    "site": "SHGH",
                    "form": "labs",
                    "item": "ast",
                    "sex": "male",
                    "value": "40",
                    "unit": "U/L",
                    "valid_from": "2026-01-01",
                    "source": "report of the laboratory",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        asked = LimitIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        actor: Any = request.user
        site = (
            Site.objects.visible_to(actor, capabilities.LIMIT_MANAGE).filter(code=given.pop("site")).first()
        )
        if site is None:
            raise Invalid(fields={"site": [_("There is no such hospital among yours.")]})
        version = ProtocolVersion.objects.current()
        if version is None:
            raise NotFound
        made = limits.enter(actor=actor, site=site, definition=version.definition, **given)
        return Response(LimitOut(made).data, status=201)


class LimitWithdraw(Endpoint):
    """A limit that was wrong."""

    capability = capabilities.LIMIT_MANAGE

    @extend_schema(
        operation_id="limits_withdraw",
        request=WithdrawIn,
        responses=LimitOut,
        examples=[OpenApiExample("wrong", {"reason": "read from the old report"}, request_only=True)],
    )
    def post(self, request: Request, id: int) -> Response:
        asked = WithdrawIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor: Any = request.user
        limit = NormalLimit.objects.visible_to(actor).filter(pk=id).first()
        if limit is None:
            raise NotFound
        return Response(LimitOut(limits.withdraw(actor=actor, limit=limit, **asked.validated_data)).data)


def _if_match(request: Request, given: int | None) -> int | None:
    header = request.headers.get("If-Match", "").strip().strip('"')
    if not header:
        return given
    if not header.isdecimal():
        raise Invalid(fields={"If-Match": [_('Give the ETag of the record, such as "3".')]})
    return int(header)
