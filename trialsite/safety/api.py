"""Safety over REST."""

from typing import Any, get_args

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.casebook.models import Record
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.core.http import Body, Endpoint
from trialsite.participants.models import Participant
from trialsite.safety import reading, services
from trialsite.staff.capabilities import RECORD_EDIT, RECORD_VIEW
from trialsite.staff.permissions import actor_of


class ClockOut(serializers.Serializer[Any]):
    """A period: `in_time` and `late` are met, `running` and `overdue` are open, `unknown` has no beginning yet.

    `not_due`: the event is judged unrelated or expected (`onward`), or not grave (`complete`), so that none runs.
    `contradicts`: it is said to be met before anybody was aware, so that one of the two times is wrong.
    """

    name = serializers.ChoiceField(["to_sponsor", "onward", "complete"])
    since = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(
        ["in_time", "late", "running", "overdue", "unknown", "not_due", "contradicts"]
    )


class ReportOut(serializers.Serializer[Any]):
    """A report of a serious adverse event; its content is the record of that form and number."""

    participant = serializers.CharField(source="record.participant.code")
    hospital = serializers.CharField(source="record.site.code")
    event = serializers.CharField(source="record.event")
    form = serializers.CharField(source="record.form")
    repeat = serializers.IntegerField(source="record.repeat")
    record_state = serializers.CharField(source="record.state")
    observed_on = serializers.DateField(source="record.observed_on", allow_null=True)
    stage = serializers.ChoiceField(["overdue", "running", "followed", "settled", "closed"])
    clocks = ClockOut(many=True)


class ReconciliationOut(serializers.Serializer[Any]):
    """What adverse event records and reports do not tell alike; numbers are those of the records, 0 for none."""

    participant = serializers.CharField()
    code = serializers.CharField()
    event = serializers.IntegerField()
    report = serializers.IntegerField()


class Reports(Endpoint):
    """Reports of serious adverse events with their clocks, the most urgent first."""

    capability = RECORD_VIEW

    @extend_schema(operation_id="safety_reports", responses=ReportOut(many=True))
    def get(self, request: Request) -> Response:
        return Response(ReportOut(reading.reports(actor_of(request), clock.now()), many=True).data)


class Reconciliation(Endpoint):
    """Where adverse events marked serious and reports differ."""

    capability = RECORD_VIEW

    @extend_schema(operation_id="safety_reconciliation", responses=ReconciliationOut(many=True))
    def get(self, request: Request) -> Response:
        rows = [
            {
                "participant": one.participant.code,
                "code": one.difference.code,
                "event": one.difference.event,
                "report": one.difference.report,
            }
            for one in reading.differences(actor_of(request))
        ]
        return Response(ReconciliationOut(rows, many=True).data)


class StepIn(Body):
    """At which instant a report was made or the case closed, on the version of the record that you saw, and why."""

    step = serializers.ChoiceField(get_args(services.Step))
    at = serializers.DateTimeField()
    expected_version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class Steps(Endpoint):
    """The steps of one report after its first entry."""

    capability = RECORD_EDIT

    @extend_schema(
        operation_id="safety_step",
        request=StepIn,
        responses=ReportOut,
        examples=[
            OpenApiExample(
                "to the sponsor",
                {
                    "step": "to_sponsor",
                    "at": "2026-03-01T16:00:00+08:00",
                    "expected_version": 1,
                    "reason": "sent by fax",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str, repeat: int) -> Response:
        """Note a step, as on the page: not in the future, not before awareness; closed only when all is told."""
        asked = StepIn(data=request.data)
        asked.is_valid(raise_exception=True)
        given, actor = dict(asked.validated_data), actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        named = reading.Named()
        rows = Record.objects.visible_to(actor).filter(named.reports, participant=participant, repeat=repeat)
        record = rows.first()
        if record is None:
            raise NotFound
        services.note(actor=actor, record=record, seen=given.pop("expected_version"), **given)
        fresh = rows.select_related("participant", "site").get(pk=record.pk)
        return Response(ReportOut(reading.report(fresh, named, reading.periods(), clock.now())).data)
