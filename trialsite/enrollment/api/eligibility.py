"""The verdict, its signature, screen failures and breaches over REST."""

from dataclasses import replace
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from eligibility.models import SignedVerdict
from eligibility.rules import Finding
from trialsite.casebook.api import RecordOut, answer
from trialsite.core.errors import Invalid
from trialsite.core.http import Body
from trialsite.enrollment import breaches, facts, planning, services
from trialsite.enrollment.api.base import KEY, OfParticipant, key_of, read
from trialsite.participants.api import ParticipantOut
from trialsite.participants.models import ScreenFailure
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class FindingOut(serializers.Serializer[Any]):
    """One criterion: `met`, `not_met` or `unknown`, with what was read, whence, how it compares, what lacks.

    `missing` tells why: `missing`, `stale` (too old, or later than the surgery), `partial`, `insufficient` under our
    reading, or `no_surgery_day`: its age counts from a surgery for which no day is known.
    """

    id = serializers.CharField()
    kind = serializers.ChoiceField(["inclusion", "exclusion"])
    state = serializers.ChoiceField(["met", "not_met", "unknown"])
    satisfied = serializers.BooleanField(allow_null=True)
    inputs = serializers.DictField(child=serializers.CharField())
    missing = serializers.DictField(child=serializers.CharField())
    sources = serializers.DictField(child=serializers.CharField())
    compared = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


class SignIn(Body):
    """The signer's password again, and the planned date of surgery; `reason` says why that moves, where it does.
    After the surgery: its date, and why it is signed so late.

    `code` is of the second factor: asked for on the first signature of a session, and on each one made with a token.
    """

    password = serializers.CharField(write_only=True, trim_whitespace=False)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)
    surgery_on = serializers.DateField()
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class SignedOut(serializers.Serializer[Any]):
    """A signature as it is shown: printed name, time and meaning."""

    participant = serializers.CharField(source="participant.code")
    surgery_on = serializers.DateField()
    printed_name = serializers.CharField(source="signature.printed_name")
    meaning = serializers.CharField(source="signature.meaning")
    signed_at = serializers.DateTimeField(source="signature.signed_at")
    content_hash = serializers.CharField(source="signature.content_hash")


class RecheckOut(serializers.Serializer[Any]):
    """The verdict on what is asked again before the randomization, as of the surgery."""

    eligible = serializers.BooleanField(allow_null=True)
    findings = FindingOut(many=True)


class VerdictOut(serializers.Serializer[Any]):
    """A verdict as of T0: `eligible` is null as long as something is unknown; `signed` is what stands signed.

    `as_of` is null as long as no day of surgery is known: values that grow old are then unknown. `recheck` is null
    until the participant is operated and what is asked again is answered.
    """

    as_of = serializers.DateField(allow_null=True)
    eligible = serializers.BooleanField(allow_null=True)
    findings = FindingOut(many=True)
    signed = SignedOut(allow_null=True)
    recheck = RecheckOut(allow_null=True)


class FailureIn(Body):
    """Why the screening ended; the criteria that fail are taken from what is recorded."""

    reason = serializers.ChoiceField(ScreenFailure.Reason.choices)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")


def _without_day(finding: Finding) -> Finding:
    """What counts from the surgery is not too old as long as nobody knows its day."""
    whys = {name: "no_surgery_day" if why == "stale" else why for name, why in finding.missing.items()}
    return replace(finding, missing=whys)


class Eligibility(OfParticipant):
    """The verdict, and the investigator's signature over it."""

    capability = {"get": capabilities.ELIGIBILITY_VIEW, "post": capabilities.ELIGIBILITY_SIGN}

    @extend_schema(
        operation_id="participants_eligibility",
        responses=VerdictOut,
        parameters=[
            OpenApiParameter(
                "surgery_on",
                str,
                description="T0. Else the surgery recorded, the day signed for, or the day planned; without any, "
                "values that grow old are unknown.",
            )
        ],
    )
    def get(self, request: Request, code: str) -> Response:
        given = request.query_params.get("surgery_on")
        try:
            surgery_on = parse_date(given) if given else None
        except ValueError:
            surgery_on = None
        if given and surgery_on is None:
            raise Invalid(fields={"surgery_on": [_("Give a date as YYYY-MM-DD.")]})
        participant = self.participant(request, code)
        t0 = surgery_on or facts.reference_day(participant)
        found = services.verdict(participant=participant, surgery_on=t0)
        shown = {
            "as_of": t0,
            "eligible": found.eligible,
            "findings": found.findings if t0 else [_without_day(one) for one in found.findings],
            "signed": SignedVerdict.objects.standing(participant),
            "recheck": facts.recheck(participant, t0) if t0 and facts.is_operated(participant) else None,
        }
        return Response(VerdictOut(shown).data)

    @extend_schema(
        operation_id="participants_sign_eligibility",
        request=SignIn,
        responses={201: SignedOut},
        examples=[OpenApiExample("sign", {"password": "…", "surgery_on": "2026-03-09"}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(SignIn, request)
        signed = services.sign_eligibility(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(SignedOut(signed).data, status=201)


class PlannedSurgeryIn(Body):
    """The day for which the surgery is planned; one that was given moves for a `reason` only."""

    surgery_on = serializers.DateField()
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class PlannedSurgery(OfParticipant):
    """The day for which the surgery is planned: T0 of the criteria until it has taken place."""

    capability = capabilities.RECORD_EDIT

    @extend_schema(
        operation_id="participants_plan_surgery",
        request=PlannedSurgeryIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("day", {"surgery_on": "2026-03-09"}, request_only=True)],
    )
    def put(self, request: Request, code: str) -> Response:
        asked = read(PlannedSurgeryIn, request)
        planned = planning.plan_surgery(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(planned).data)


class FailScreening(OfParticipant):
    """End of screening without surgery."""

    capability = capabilities.RECORD_EDIT

    @extend_schema(
        operation_id="participants_fail_screening",
        request=FailureIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample("reason", {"reason": "declined", "note": "Prefers to go home."}, request_only=True)
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(FailureIn, request)
        ended = services.fail_screening(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(ended).data)


class Rescreening(OfParticipant):
    """A new attempt after a screen failure, under a code of its own."""

    capability = capabilities.PARTICIPANT_REGISTER

    @extend_schema(
        operation_id="participants_rescreen", request=None, responses={201: ParticipantOut}, parameters=[KEY]
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        made = services.rescreen(
            actor=actor_of(request), participant=participant, registration_key=key_of(request)
        )
        return Response(ParticipantOut(made).data, status=201)


class BreachIn(Body):
    """Which criterion was not satisfied, why it came to that, and what was done about it."""

    criterion = serializers.CharField(max_length=12)
    why = serializers.CharField(max_length=500)
    action = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class BreachOut(serializers.Serializer[Any]):
    """A criterion that is not satisfied, or unknown, though the participant was let in on `on`.

    `recorded` says whether a deviation tells of it.
    """

    criterion = serializers.CharField(source="criterion.id")
    on = serializers.DateField()
    finding = FindingOut()
    recorded = serializers.BooleanField()


class Breaches(OfParticipant):
    """Criteria found broken after surgery, each kept as a protocol deviation."""

    capability = {"get": capabilities.ELIGIBILITY_VIEW, "post": capabilities.RECORD_EDIT}

    @extend_schema(operation_id="participants_breaches", responses=BreachOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        known = breaches.recorded(participant)
        found = [
            {"criterion": one.criterion, "on": one.on, "finding": one.finding, "recorded": name in known}
            for name, one in breaches.breached(participant).items()
        ]
        return Response(BreachOut(found, many=True).data)

    @extend_schema(
        operation_id="participants_breach",
        request=BreachIn,
        responses={201: RecordOut},
        examples=[
            OpenApiExample(
                "breach",
                {"criterion": "I7a-4", "why": "The laboratory corrected the count after surgery."},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(BreachIn, request)
        made = breaches.record(actor=actor_of(request), participant=self.participant(request, code), **asked)
        return answer(actor_of(request), {"pk": made.pk}, status=201)
