"""Safety over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core import clock
from trialsite.core.http import Endpoint
from trialsite.safety import reading
from trialsite.staff.capabilities import RECORD_VIEW
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
