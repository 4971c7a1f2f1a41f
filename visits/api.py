"""Visits over REST."""

from typing import Any, get_args

import django_filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.filters import InstantFilter
from trialsite.core.http import Body, EndpointViewSet, Pages
from trialsite.participants.models import Participant
from trialsite.staff import capabilities
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of
from visits import days, reading, rules, services
from visits.models import Appointment, FormerWindow, Visit


class VisitOut(serializers.ModelSerializer[Visit]):
    """A visit with its window (both ends count), and how pressing it is by the hospital's date.

    Where its target lies is told twice: in days from the anchor, and as study day, which is one more from the anchor on
    since there is no day 0.
    """

    participant = serializers.CharField(source="participant.code")
    site = serializers.CharField(source="site.code")
    study_day = serializers.IntegerField(allow_null=True, read_only=True)
    urgency = serializers.SerializerMethodField()
    days_from_anchor = serializers.IntegerField(allow_null=True, read_only=True)
    staff = serializers.CharField(source="staff.username", allow_null=True, default=None)

    class Meta:
        model = Visit
        fields = [
            "id",
            "participant",
            "site",
            "code",
            "repeat",
            "kind",
            "anchor",
            "anchor_on",
            "target_on",
            "opens_on",
            "closes_on",
            "study_day",
            "days_from_anchor",
            "state",
            "urgency",
            "appointment_at",
            "place",
            "staff",
            "bookings",
            "attended_on",
            "in_window",
            "reason",
            "plan_version",
        ]

    @extend_schema_field(serializers.ChoiceField(choices=get_args(rules.Urgency)))
    def get_urgency(self, visit: Visit) -> str:
        return rules.urgency(visit.state, visit.opens_on, visit.closes_on, clock.today(visit.site.timezone))


class VisitFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of the list of visits."""

    participant = django_filters.CharFilter(field_name="participant__code")
    site = django_filters.CharFilter(field_name="site__code")
    due_before = django_filters.DateFilter(field_name="opens_on", lookup_expr="lte")
    closes_before = django_filters.DateFilter(field_name="closes_on", lookup_expr="lte")
    appointment_from = InstantFilter(field_name="appointment_at", lookup_expr="gte")
    appointment_until = InstantFilter(field_name="appointment_at", lookup_expr="lte")
    staff = django_filters.CharFilter(field_name="staff__username")
    urgency = django_filters.MultipleChoiceFilter(
        choices=[(one, one) for one in get_args(rules.Urgency) if one != "none"], method="_pressing"
    )

    class Meta:
        model = Visit
        fields = ["participant", "site", "state", "due_before"]

    def _pressing(self, rows: Any, name: str, value: list[rules.Urgency]) -> Any:
        return rows.pressing(value, clock.now()) if value else rows


class StaffField(serializers.SlugRelatedField[Any]):
    """A person by the name of the account; whether they work there the service asks."""

    def __init__(self) -> None:
        super().__init__(
            "username", queryset=User.objects.all(), required=False, allow_null=True, default=None
        )


class BookIn(Body):
    """When (ISO 8601 with zone), where and with whom; a reason when an appointment moves.

    `seen` is the `bookings` that you looked at: if somebody was faster you get a 409 instead of overwriting.
    """

    at = serializers.DateTimeField()
    place = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    staff = StaffField()
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)
    seen = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0)


class CancelIn(Body):
    """Why the appointment is taken back."""

    reason = serializers.CharField(max_length=300)
    seen = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0)


class AttendIn(Body):
    """The local date of the visit; outside its window a reason, which goes to the deviation."""

    on = serializers.DateField()
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class MissIn(Body):
    """Why the visit did not take place."""

    reason = serializers.CharField(max_length=300)


class CorrectIn(Body):
    """The true local date, or none where it has not taken place; and why it was recorded otherwise."""

    on = serializers.DateField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=300)


class UnscheduledIn(Body):
    """Whose visit, why, and either the date on which it took place or an appointment to come."""

    participant = serializers.CharField(max_length=12)
    reason = serializers.CharField(max_length=300)
    on = serializers.DateField(required=False, allow_null=True, default=None)
    at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    place = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    staff = StaffField()


class SlotOut(serializers.Serializer[Any]):
    """A suggested appointment; `certain` is false where the year's official calendar is not known."""

    at = serializers.DateTimeField()
    certain = serializers.BooleanField()


class AppointmentOut(serializers.ModelSerializer[Appointment]):
    """One booking as it was made; without `at` it was cancelled."""

    staff = serializers.CharField(source="staff.username", allow_null=True, default=None)
    made_by = serializers.CharField(source="made_by.username")

    class Meta:
        model = Appointment
        fields = ["number", "at", "place", "staff", "reason", "made_by", "created_at"]


class FormerWindowOut(serializers.ModelSerializer[FormerWindow]):
    """A window that the visit had before."""

    moved_by = serializers.CharField(source="moved_by.username")

    class Meta:
        model = FormerWindow
        fields = [
            "version",
            "anchor_on",
            "target_on",
            "opens_on",
            "closes_on",
            "reason",
            "moved_by",
            "created_at",
        ]


class HistoryOut(serializers.Serializer[Any]):
    """Every appointment and every former window of a visit."""

    appointments = AppointmentOut(many=True)
    former_windows = FormerWindowOut(many=True)


class RecordedOut(serializers.ModelSerializer[Record]):
    """A record by its place in the casebook."""

    class Meta:
        model = Record
        fields = ["event", "repeat", "observed_on"]


class CountingOut(serializers.Serializer[Any]):
    """For one form: the record that counts for the visit, and the others."""

    form = serializers.CharField()
    chosen = RecordedOut(allow_null=True)
    others = RecordedOut(many=True)


class VisitPages(Pages):
    """By opening of the window."""

    ordering = ("opens_on", "id")


class VisitViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Visits: list, read, suggestions, book, cancel, attend, miss, correct, unscheduled; history and records."""

    capability = {
        "list": capabilities.VISIT_VIEW,
        "retrieve": capabilities.VISIT_VIEW,
        "suggestions": capabilities.VISIT_VIEW,
        "history": capabilities.VISIT_VIEW,
        "records": capabilities.RECORD_VIEW,
        "unscheduled": capabilities.VISIT_MANAGE,
        "book": capabilities.VISIT_MANAGE,
        "cancel": capabilities.VISIT_MANAGE,
        "attend": capabilities.VISIT_MANAGE,
        "miss": capabilities.VISIT_MANAGE,
        "correct": capabilities.VISIT_MANAGE,
    }
    serializer_class = VisitOut
    pagination_class = VisitPages
    filterset_class = VisitFilter
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Visit.objects.none()

    def get_queryset(self) -> Any:
        return Visit.objects.visible_to(self.request.user).select_related("participant", "site", "staff")  # type: ignore[arg-type]

    def _act(self, request: Request, serializer: type[serializers.Serializer[Any]], service: Any) -> Response:
        asked = serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        changed = service(actor=request.user, visit=self.get_object(), **asked.validated_data)
        return Response(VisitOut(changed).data)

    @extend_schema(
        request=BookIn,
        responses=VisitOut,
        examples=[OpenApiExample("book", {"at": "2026-04-07T09:30:00+08:00"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def book(self, request: Request, pk: str) -> Response:
        """Give it an appointment, or move it."""
        return self._act(request, BookIn, services.book)

    @extend_schema(
        request=CancelIn,
        responses=VisitOut,
        examples=[OpenApiExample("cancel", {"reason": "In another hospital."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take the appointment back."""
        return self._act(request, CancelIn, services.cancel)

    @extend_schema(responses=SlotOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def suggestions(self, request: Request, pk: str) -> Response:
        """Days inside the window that suit best; none for a settled visit."""
        visit = self.get_object()
        return Response(SlotOut(days.suggest(actor_of(request), [visit]).get(visit.pk, []), many=True).data)

    @extend_schema(responses=HistoryOut)
    @action(detail=True, methods=["get"])
    def history(self, request: Request, pk: str) -> Response:
        """Every appointment and every former window."""
        visit = self.get_object()
        return Response(
            HistoryOut(
                {
                    "appointments": visit.appointments.select_related("staff", "made_by"),
                    "former_windows": visit.former_windows.select_related("moved_by"),
                }
            ).data
        )

    @extend_schema(responses=CountingOut(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def records(self, request: Request, pk: str) -> Response:
        """Which record of each form counts for this visit."""
        return Response(
            CountingOut(reading.counting_records(actor_of(request), self.get_object()), many=True).data
        )

    @extend_schema(
        request=UnscheduledIn,
        responses=VisitOut,
        examples=[
            OpenApiExample(
                "unscheduled",
                {"participant": "01-001", "on": "2026-04-07", "reason": "Fever."},
                request_only=True,
            )
        ],
    )
    @action(detail=False, methods=["post"])
    def unscheduled(self, request: Request) -> Response:
        """A visit outside the schedule, that took place or has an appointment."""
        asked = UnscheduledIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(given.pop("participant"))
        made = services.unscheduled(actor=actor, participant=participant, **given)
        return Response(VisitOut(made).data)

    @extend_schema(
        request=AttendIn,
        responses=VisitOut,
        examples=[OpenApiExample("attend", {"on": "2026-04-07"}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def attend(self, request: Request, pk: str) -> Response:
        """The participant came."""
        return self._act(request, AttendIn, services.attend)

    @extend_schema(
        request=MissIn,
        responses=VisitOut,
        examples=[OpenApiExample("miss", {"reason": "In another hospital."}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def miss(self, request: Request, pk: str) -> Response:
        """The visit did not take place."""
        return self._act(request, MissIn, services.miss)

    @extend_schema(
        request=CorrectIn,
        responses=VisitOut,
        examples=[
            OpenApiExample(
                "correct", {"on": "2026-04-06", "reason": "The date was misread."}, request_only=True
            )
        ],
    )
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """What was recorded of a settled visit was wrong."""
        return self._act(request, CorrectIn, services.correct)
