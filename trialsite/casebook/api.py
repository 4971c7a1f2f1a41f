"""Records and queries over REST."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import progress, services
from trialsite.casebook.models import Query, Record, RecordQuerySet, Score
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Body, Declared, Endpoint, NewestFirst
from trialsite.participants.models import Participant
from trialsite.staff import capabilities
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class RecordOut(serializers.ModelSerializer[Record]):
    """A record: each item as entered (value, unit, sign, limit of normal), with the exact canonical value `si`.

    `state` is what its editor said; `reached` how far it has come since (verified as a whole, signed, frozen, locked;
    `empty`: a draft that holds nothing, and that nobody waits for).
    The form is that of `protocol_version`.
    """

    participant = serializers.CharField(source="participant.code")
    hospital = serializers.CharField(source="site.code")
    protocol_version = serializers.CharField(source="protocol_version.version")
    reached = serializers.SerializerMethodField()
    updated_by = serializers.CharField(source="updated_by.username")

    class Meta:
        model = Record
        fields = [
            "participant",
            "hospital",
            "event",
            "form",
            "repeat",
            "protocol_version",
            "state",
            "reached",
            "version",
            "observed_on",
            "data",
            "updated_by",
            "updated_at",
        ]

    @extend_schema_field(
        serializers.ChoiceField(["empty", "draft", "complete", "verified", "signed", "frozen", "locked"])
    )
    def get_reached(self, record: Record) -> str:
        return progress.reached(record, self.context["locks"])


def shown(rows: RecordQuerySet) -> RecordQuerySet:
    """`rows` with all that RecordOut tells of them; it wants `locks`, those over their participant, too."""
    with_names = progress.reviewed(rows).select_related(
        "participant", "site", "updated_by", "protocol_version"
    )
    return with_names.defer("protocol_version__document")


def answer(actor: User, place: Mapping[str, Any], *, status: int = 200) -> Response:
    """What is told of the record at `place`, with its ETag. NotFound."""
    record = _read(actor, place)
    locks = progress.locks_over(actor, record.participant)
    return _tell(RecordOut(record, context={"locks": locks}), status)


def answer_saved(actor: User, saved: services.Saved) -> Response:
    """What is told of a record that was just saved, with its open queries and its ETag."""
    record, locks = saved.record, []
    if saved.changed:
        # Nothing is read again: what has just changed stands under no lock, verified and signed by nobody.
        participant = record.participant
        record.site, record.protocol_version = participant.site, participant.protocol_version
    else:
        record = _read(actor, {"pk": record.pk})
        locks = progress.locks_over(actor, record.participant)
    for query in saved.queries:
        query.record, query.participant, query.site = record, record.participant, record.site
    return _tell(SavedOut(record, context={"locks": locks, "queries": saved.queries}))


def _read(actor: User, place: Mapping[str, Any]) -> Record:
    record = shown(Record.objects.visible_to(actor).filter(**place)).first()
    if record is None:
        raise NotFound
    return record


def _tell(out: RecordOut, status: int = 200) -> Response:
    told = out.data
    return Response(told, status=status, headers={"ETag": f'"{told["version"]}"'})


class QueryOut(serializers.ModelSerializer[Query]):
    """A query."""

    participant = serializers.CharField(source="participant.code")
    hospital = serializers.CharField(source="site.code")
    event = serializers.CharField(source="record.event")
    form = serializers.CharField(source="record.form")
    repeat = serializers.IntegerField(source="record.repeat")

    class Meta:
        model = Query
        fields = [
            "id",
            "participant",
            "hospital",
            "event",
            "form",
            "repeat",
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
        return [dict(QueryOut(query).data) for query in self.context["queries"]]


class RecordIn(Body):
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

    @cached_property
    def participant(self) -> Participant:
        """Whose list it is. NotFound."""
        return Participant.objects.visible_to(actor_of(self.request)).by_code(self.kwargs["code"])

    def rows(self, model: Any) -> Any:
        """The rows of `model` that belong to the participant and may be seen."""
        return model.objects.visible_to(actor_of(self.request)).filter(participant=self.participant)


class Records(OfParticipant):
    """All records of a participant."""

    serializer_class = RecordOut
    pagination_class = NewestFirst
    queryset = Record.objects.none()

    def get_queryset(self) -> Any:
        return shown(self.rows(Record))

    def get_serializer_context(self) -> dict[str, Any]:
        described = getattr(self, "swagger_fake_view", False)
        locks = [] if described else progress.locks_over(actor_of(self.request), self.participant)
        return {**super().get_serializer_context(), "locks": locks}


class Queries(OfParticipant):
    """All queries of a participant."""

    serializer_class = QueryOut
    pagination_class = NewestFirst
    filterset_fields = ["state"]
    queryset = Query.objects.none()

    def get_queryset(self) -> Any:
        return self.rows(Query).select_related("participant", "site", "record")


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
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        return answer(actor, {"participant": participant, "event": event, "form": form, "repeat": repeat})

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
        actor = actor_of(request)
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
        return answer_saved(actor, saved)


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


def _if_match(request: Request, given: int | None) -> int | None:
    header = request.headers.get("If-Match", "").strip().strip('"')
    if not header:
        return given
    if not header.isdecimal() or len(header) > 9:
        raise Invalid(fields={"If-Match": [_('Give the ETag of the record, such as "3".')]})
    return int(header)
