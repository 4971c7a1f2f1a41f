"""Queries, locks and casebook signatures over REST."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook import querying, reviewing
from trialsite.casebook.api import OfParticipant, QueryOut
from trialsite.casebook.models import CasebookSignature, Lock, Query, QueryMessage, Record
from trialsite.core.errors import NotFound
from trialsite.core.http import Body, EndpointViewSet, NewestFirst
from trialsite.participants.models import Participant
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


def record_of(request: Request, code: str, event: str, form: str, repeat: int) -> Record:
    """The record at this place, as far as the asker may see it. NotFound."""
    actor = actor_of(request)
    participant = Participant.objects.visible_to(actor).by_code(code)
    rows = Record.objects.visible_to(actor).select_related("protocol_version")
    found = rows.filter(participant=participant, event=event, form=form, repeat=repeat).first()
    if found is None:
        raise NotFound
    return found


class MessageOut(serializers.ModelSerializer[QueryMessage]):
    """One step of a query."""

    author = serializers.CharField(source="author.username")

    class Meta:
        model = QueryMessage
        fields = ["act", "author", "text", "created_at"]


class ThreadOut(QueryOut):
    """A query with everything that was said."""

    thread = MessageOut(many=True)

    class Meta(QueryOut.Meta):
        fields = [*QueryOut.Meta.fields, "origin", "entry", "thread"]


class QueryIn(Body):
    """A question about an item of a record."""

    participant = serializers.CharField(max_length=40)
    event = serializers.CharField(max_length=40)
    form = serializers.CharField(max_length=40)
    repeat = serializers.IntegerField(min_value=1, max_value=9999, default=1)
    item = serializers.CharField(max_length=40)
    text = serializers.CharField(max_length=2000)


class WordsIn(Body):
    """What is said."""

    text = serializers.CharField(max_length=2000)


_WORDS = OpenApiExample("words", {"text": "Checked against the chart: it is right."}, request_only=True)


class QueryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Queries of all participants that you may see."""

    capability = {
        "list": capabilities.RECORD_VIEW,
        "retrieve": capabilities.RECORD_VIEW,
        "create": capabilities.QUERY_RAISE,
        "answer": capabilities.RECORD_EDIT,
        "close": capabilities.QUERY_RAISE,
        "reopen": capabilities.QUERY_RAISE,
    }
    serializer_class = ThreadOut
    pagination_class = NewestFirst
    queryset = Query.objects.none()
    filterset_fields = ["state", "origin", "participant__code", "site__code", "record__form"]
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        rows = Query.objects.visible_to(actor_of(self.request))
        return rows.select_related("participant", "site", "record").prefetch_related("thread__author")

    @extend_schema(
        request=QueryIn,
        responses={201: ThreadOut},
        examples=[
            OpenApiExample(
                "query",
                {"participant": "01-001", "event": "SCR", "form": "labs", "item": "hgb"}
                | {"text": "The report says 118 g/L."},
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Ask the hospital."""
        asked = QueryIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        record = record_of(request, given["participant"], given["event"], given["form"], given["repeat"])
        query = querying.raise_query(
            actor=actor_of(request), record=record, item=given["item"], text=given["text"]
        )
        return self._answer(query, status=201)

    @extend_schema(request=WordsIn, responses=ThreadOut, examples=[_WORDS])
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """The hospital's answer."""
        return self._answer(
            querying.answer_query(actor=actor_of(request), query=self._one(), text=self._said())
        )

    @extend_schema(request=WordsIn, responses=ThreadOut, examples=[_WORDS])
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close it."""
        return self._answer(
            querying.close_query(actor=actor_of(request), query=self._one(), text=self._said())
        )

    @extend_schema(request=WordsIn, responses=ThreadOut, examples=[_WORDS])
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Ask again."""
        return self._answer(
            querying.reopen_query(actor=actor_of(request), query=self._one(), text=self._said())
        )

    def _one(self) -> Query:
        query: Query = self.get_object()
        return query

    def _said(self) -> str:
        asked = WordsIn(data=self.request.data)
        asked.is_valid(raise_exception=True)
        said: str = asked.validated_data["text"]
        return said

    def _answer(self, query: Query, *, status: int = 200) -> Response:
        return Response(ThreadOut(self.get_queryset().get(pk=query.pk)).data, status=status)


class LockOut(serializers.ModelSerializer[Lock]):
    """A freeze or lock."""

    participant = serializers.CharField(source="participant.code", default=None)
    form = serializers.CharField(source="record.form", default=None)
    repeat = serializers.IntegerField(source="record.repeat", default=None)
    placed_by = serializers.CharField(source="placed_by.username")

    class Meta:
        model = Lock
        fields = [
            "id",
            "kind",
            "level",
            "participant",
            "event",
            "form",
            "repeat",
            "item",
            "reason",
            "placed_by",
            "created_at",
            "lifted_at",
            "lift_reason",
        ]


class LockIn(Body):
    """What to freeze or lock. `level` says which of the other fields are needed."""

    kind = serializers.ChoiceField(Lock.Kind.choices)
    level = serializers.ChoiceField(Lock.Level.choices)
    participant = serializers.CharField(max_length=40, required=False)
    event = serializers.CharField(max_length=40, required=False)
    form = serializers.CharField(max_length=40, required=False)
    repeat = serializers.IntegerField(min_value=1, max_value=9999, default=1)
    item = serializers.CharField(max_length=40, required=False)
    reason = serializers.CharField(max_length=300)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = {
            "participant": ["participant"],
            "visit": ["participant", "event"],
            "form": ["participant", "event", "form"],
            "item": ["participant", "event", "form", "item"],
        }.get(attrs["level"], [])
        missing = {name: [_("This is needed.")] for name in needed if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing)
        return attrs


class LiftIn(Body):
    """Why."""

    reason = serializers.CharField(max_length=300)


class LockViewSet(mixins.ListModelMixin, EndpointViewSet):
    """Freezes and locks."""

    capability = {
        "list": capabilities.RECORD_VIEW,
        "create": capabilities.RECORD_LOCK,
        "lift": capabilities.RECORD_LOCK,
    }
    serializer_class = LockOut
    pagination_class = NewestFirst
    queryset = Lock.objects.none()
    filterset_fields = {"level": ["exact"], "lifted_at": ["isnull"], "participant__code": ["exact"]}
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        rows = Lock.objects.visible_to(actor_of(self.request))
        return rows.select_related("participant", "record", "placed_by")

    @extend_schema(
        request=LockIn,
        responses={201: LockOut},
        examples=[
            OpenApiExample(
                "visit",
                {
                    "kind": "freeze",
                    "level": "visit",
                    "participant": "01-001",
                    "event": "W1",
                    "reason": "cleaning",
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Freeze or lock."""
        asked = LockIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        level, actor = given["level"], actor_of(request)
        place: dict[str, Any] = {}
        if level in ("form", "item"):
            place["record"] = record_of(
                request, given["participant"], given["event"], given["form"], given["repeat"]
            )
            place["item"] = given["item"] if level == "item" else ""
        elif level != "database":
            place["participant"] = Participant.objects.visible_to(actor).by_code(given["participant"])
            place["event"] = given["event"] if level == "visit" else ""
        lock = reviewing.place_lock(
            actor=actor, kind=given["kind"], level=level, reason=given["reason"], **place
        )
        return Response(LockOut(lock).data, status=201)

    @extend_schema(
        request=LiftIn,
        responses=LockOut,
        examples=[OpenApiExample("reason", {"reason": "source corrected"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:
        """Lift it."""
        asked = LiftIn(data=request.data)
        asked.is_valid(raise_exception=True)
        lock = reviewing.lift_lock(
            actor=actor_of(request), lock=self.get_object(), reason=asked.validated_data["reason"]
        )
        return Response(LockOut(lock).data)


class CasebookSignatureOut(serializers.ModelSerializer[CasebookSignature]):
    """A signature over a casebook, as it is shown: name, time, meaning, hash, and whether it stands."""

    printed_name = serializers.CharField(source="signature.printed_name")
    meaning = serializers.CharField(source="signature.meaning")
    signed_at = serializers.DateTimeField(source="signature.signed_at")
    content_hash = serializers.CharField(source="signature.content_hash")
    fallen_at = serializers.DateTimeField(source="signature.fallen_at")
    fallen_reason = serializers.CharField(source="signature.fallen_reason")

    class Meta:
        model = CasebookSignature
        fields = [
            "records",
            "printed_name",
            "meaning",
            "signed_at",
            "content_hash",
            "fallen_at",
            "fallen_reason",
        ]


class PasswordIn(Body):
    """The signer's password, again; `code` of the second factor where the first signature of a session asks for it."""

    password = serializers.CharField(max_length=200, trim_whitespace=False)
    code = serializers.CharField(max_length=20, required=False, allow_blank=True)


class CasebookSignatures(OfParticipant):
    """Signatures over the casebook of a participant, newest first."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.CASEBOOK_SIGN}
    serializer_class = CasebookSignatureOut
    queryset = CasebookSignature.objects.none()

    def get_queryset(self) -> Any:
        return self.rows(CasebookSignature).select_related("signature")

    @extend_schema(
        operation_id="casebook_sign",
        request=PasswordIn,
        responses={201: CasebookSignatureOut},
        examples=[OpenApiExample("sign", {"password": "…"}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        """Sign everything that is recorded."""
        asked = PasswordIn(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        signed = reviewing.sign_casebook(actor=actor, participant=participant, **asked.validated_data)
        return Response(CasebookSignatureOut(signed).data, status=201)
