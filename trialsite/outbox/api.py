"""Messages and their fate over REST, and what a person decides about them."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core.filters import InstantFilter
from trialsite.core.http import Body, Endpoint, EndpointViewSet, Pages
from trialsite.outbox import rules, services
from trialsite.outbox.models import Message
from trialsite.staff import capabilities


class ReminderOut(serializers.ModelSerializer[Message]):
    """A message and its fate. The recipient is `user:<id>` or `participant:<id>`, never an address.

    `channel` is what the rule asks for, `via` what it left by where the rule leaves that to the participant.
    """

    site = serializers.CharField(source="site.code")
    participant = serializers.CharField(source="subject_code")
    rule = serializers.SerializerMethodField()
    worked_off_by = serializers.CharField(source="worked_off_by.username", default="")

    class Meta:
        model = Message
        fields = [
            "id",
            "kind",
            "rule",
            "recipient",
            "channel",
            "via",
            "participant",
            "site",
            "due_at",
            "state",
            "attempts",
            "answer",
            "finished_at",
            "worked_off_by",
            "worked_off_because",
        ]

    def get_rule(self, message: Message) -> str:
        return str(message.payload.get("rule", ""))


class ReminderFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of the list of messages; `to_work_off` gives those that failed or are uncertain."""

    site = django_filters.CharFilter(field_name="site__code")
    to_work_off = django_filters.BooleanFilter(method="_to_work_off")
    due_before = InstantFilter(field_name="due_at", lookup_expr="lte")

    class Meta:
        model = Message
        fields = ["state", "kind", "channel", "subject_code", "site", "to_work_off", "due_before"]

    def _to_work_off(self, rows: Any, name: str, value: bool) -> Any:
        return (rows.filter if value else rows.exclude)(state__in=rules.FOR_PERSON)


class BecauseIn(Body):
    """Why a person closes a message."""

    reason = serializers.CharField(max_length=300)


class RetryIn(Body):
    """Why it is tried again, where there is more to say than that it failed."""

    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


def _example(name: str, reason: str) -> list[OpenApiExample]:
    return [OpenApiExample(name, {"reason": reason}, request_only=True)]


class ReminderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Messages that are to leave or have left."""

    capability = {
        "list": capabilities.REMINDER_VIEW,
        "retrieve": capabilities.REMINDER_VIEW,
        "retry": capabilities.REMINDER_MANAGE,
        "give_up": capabilities.REMINDER_MANAGE,
        "delivered": capabilities.REMINDER_MANAGE,
    }
    serializer_class = ReminderOut
    pagination_class = Pages
    filterset_class = ReminderFilter
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Message.objects.none()

    def get_queryset(self) -> Any:
        rows: Any = Message.objects.visible_to(self.request.user)  # type: ignore[arg-type]
        return rows.select_related("site", "worked_off_by")

    @extend_schema(
        request=RetryIn, responses=ReminderOut, examples=_example("again", "The address was mended.")
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Try a failed or uncertain message again."""
        return self._decide(request, RetryIn, services.retry)

    @extend_schema(
        request=BecauseIn,
        responses=ReminderOut,
        examples=_example("given up", "The participant was telephoned."),
    )
    @action(detail=True, methods=["post"], url_path="give-up")
    def give_up(self, request: Request, pk: str) -> Response:
        """Leave a failed or uncertain message, and say why."""
        return self._decide(request, BecauseIn, services.give_up)

    @extend_schema(
        request=BecauseIn,
        responses=ReminderOut,
        examples=_example("delivered", "It stands in the log of the mail server."),
    )
    @action(detail=True, methods=["post"])
    def delivered(self, request: Request, pk: str) -> Response:
        """An uncertain message was delivered after all; say how that is known."""
        return self._decide(request, BecauseIn, services.mark_delivered)

    def _decide(self, request: Request, body: type[serializers.Serializer[Any]], service: Any) -> Response:
        message = self.get_object()
        read = body(data=request.data)
        read.is_valid(raise_exception=True)
        decided = service(actor=request.user, message=message, **read.validated_data)
        return Response(ReminderOut(decided).data)


class PreferenceIO(Body):
    """Whether the caller wants messages of an optional kind."""

    kind = serializers.CharField(max_length=40)
    wanted = serializers.BooleanField()


class PreferencesView(Endpoint):
    """What the caller wants to receive. Allocations and serious events always come."""

    capability = capabilities.TOKEN_OWN

    @extend_schema(responses=PreferenceIO(many=True))
    def get(self, request: Request) -> Response:
        return self._all(request)

    @extend_schema(
        request=PreferenceIO,
        responses=PreferenceIO(many=True),
        examples=[OpenApiExample("no digest", {"kind": "digest", "wanted": False}, request_only=True)],
    )
    def put(self, request: Request) -> Response:
        read = PreferenceIO(data=request.data)
        read.is_valid(raise_exception=True)
        services.set_preference(actor=request.user, **read.validated_data)  # type: ignore[arg-type]
        return self._all(request)

    def _all(self, request: Request) -> Response:
        wanted = services.preferences(request.user)  # type: ignore[arg-type]
        return Response([{"kind": kind, "wanted": value} for kind, value in wanted.items()])
