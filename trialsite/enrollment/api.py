"""The steps over REST. Each view reads its input, calls one service and shows the result."""

from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from eligibility.models import SignedVerdict
from randomization import arms
from trialsite.audit.context import acting
from trialsite.casebook.api import RecordOut
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Endpoint
from trialsite.enrollment import breaches, corrections, facts, services, treatment
from trialsite.participants.api import ParticipantOut
from trialsite.participants.models import Consent, Participant, ScreenFailure
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.access import has
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of
from visits.api import VisitOut

KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A name of your own for this request. Repeat it and you get the same answer and no second row.",
)


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not 8 <= len(key) <= 100 or not key.isascii() or not key.isprintable():
        raise Invalid(
            fields={"Idempotency-Key": [_("Give a header Idempotency-Key of 8 to 100 printable characters.")]}
        )
    return key


class RegisterIn(serializers.Serializer[Any]):
    """Where the participant is screened."""

    site = serializers.SlugField(max_length=12)


class ConsentIn(serializers.Serializer[Any]):
    """Who signed which version, when (ISO 8601 with zone). `obtained_by`: the user name of who obtained it."""

    form_version = serializers.CharField(max_length=40)
    patient_signed_at = serializers.DateTimeField()
    family_signed_at = serializers.DateTimeField(allow_null=True, default=None)
    obtained_by = serializers.CharField(max_length=60, required=False)


class ConsentOut(ConsentIn):
    """A consent as recorded."""

    participant = serializers.CharField(source="participant.code")
    obtained_by = serializers.CharField(source="obtained_by.username")
    delegated = serializers.SerializerMethodField(
        help_text="Whether who obtained it stood on the delegation log then; null to whoever may not see the log."
    )

    def get_delegated(self, given: Consent) -> bool | None:
        found: bool | None = getattr(given, "delegated", None)
        return found


class FindingOut(serializers.Serializer[Any]):
    """One criterion: `met`, `not_met` or `unknown`, with what was read, whence, how it compares, what lacks."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(["inclusion", "exclusion"])
    state = serializers.ChoiceField(["met", "not_met", "unknown"])
    satisfied = serializers.BooleanField(allow_null=True)
    inputs = serializers.DictField(child=serializers.CharField())
    missing = serializers.DictField(child=serializers.CharField())
    sources = serializers.DictField(child=serializers.CharField())
    compared = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


class SignIn(serializers.Serializer[Any]):
    """The signer's password again, and the planned date of surgery.

    `code` is of the second factor: asked for on the first signature of a session, and on each one made with a token.
    """

    password = serializers.CharField(write_only=True, trim_whitespace=False)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)
    surgery_on = serializers.DateField()


class SignedOut(serializers.Serializer[Any]):
    """A signature as it is shown: printed name, time and meaning."""

    participant = serializers.CharField(source="participant.code")
    surgery_on = serializers.DateField()
    printed_name = serializers.CharField(source="signature.printed_name")
    meaning = serializers.CharField(source="signature.meaning")
    signed_at = serializers.DateTimeField(source="signature.signed_at")
    content_hash = serializers.CharField(source="signature.content_hash")


class VerdictOut(serializers.Serializer[Any]):
    """A verdict as of T0: `eligible` is null as long as something is unknown; `signed` is what stands signed."""

    as_of = serializers.DateField()
    eligible = serializers.BooleanField(allow_null=True)
    findings = FindingOut(many=True)
    signed = SignedOut(allow_null=True)


class ValuesIn(serializers.Serializer[Any]):
    """The items of a form: each a plain value, or an object with `value`, `unit`, `uln`."""

    values = serializers.DictField()


class CorrectionIn(ValuesIn):
    """All items as they should be, the version of the record that is corrected, and why."""

    version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300)


class ReasonIn(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=500)


class EnvelopeIn(serializers.Serializer[Any]):
    """What an opened envelope held, why it was opened, and two persons who sign for it."""

    number = serializers.IntegerField(min_value=1)
    arm = serializers.CharField(max_length=40)
    opened_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=300)
    password = serializers.CharField(write_only=True, trim_whitespace=False)
    second = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.filter(is_active=True))
    second_password = serializers.CharField(write_only=True, trim_whitespace=False)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)
    second_code = serializers.CharField(
        write_only=True, required=False, allow_blank=True, default="", max_length=20
    )


class FailureIn(serializers.Serializer[Any]):
    """Why the screening ended; the criteria that fail are taken from what is recorded."""

    reason = serializers.ChoiceField(ScreenFailure.Reason.choices)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")


class OutcomeOut(serializers.Serializer[Any]):
    """An allocation as the server answers it."""

    participant = serializers.CharField()
    arm = serializers.CharField()
    position = serializers.IntegerField()
    allocated_at = serializers.DateTimeField()
    ledger_head = serializers.CharField()


class AllocationOut(serializers.Serializer[Any]):
    """An allocation: arm, position in the ledger, and the hash of its row."""

    participant = serializers.CharField(source="participant.code")
    arm = serializers.CharField()
    position = serializers.IntegerField()
    allocated_at = serializers.DateTimeField()
    hash = serializers.CharField()


class OfParticipant(Endpoint):
    """Base of the steps: finds the participant among those that the caller may see."""

    def participant(self, request: Request, code: str) -> Participant:
        """NotFound for one of another hospital, with the same answer as for one that does not exist."""
        return Participant.objects.visible_to(actor_of(request)).by_code(code)


def read(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body as `serializer` accepts it; a refusal names the field."""
    bound = serializer(data=request.data)
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


def consent_asked(request: Request) -> dict[str, Any]:
    """The body of a consent, with the person who obtained it in place of the name."""
    asked = read(ConsentIn, request)
    name = asked.pop("obtained_by", None)
    if name is not None:
        asked["obtained_by"] = User.objects.filter(username=name, is_active=True).first()
        if asked["obtained_by"] is None:
            raise Invalid(fields={"obtained_by": [_("There is no such account.")]})
    return asked


def _consents(actor: User, participant: Participant) -> QuerySet[Consent]:
    """The consents of a participant, with what the delegation log says of each where `actor` may see it."""
    given = participant.consents.select_related("participant", "obtained_by")
    return (
        given.with_delegation() if has(actor, capabilities.ROSTER_VIEW, site=participant.site_id) else given
    )


class Register(Endpoint):
    """Participants: register."""

    capability = capabilities.PARTICIPANT_REGISTER

    @extend_schema(
        operation_id="participants_register",
        request=RegisterIn,
        responses={201: ParticipantOut},
        parameters=[KEY],
        examples=[OpenApiExample("register", {"site": "SHGH"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = read(RegisterIn, request)
        site = Site.objects.visible_to(actor_of(request)).filter(code=asked["site"]).first()
        if site is None:
            raise Invalid(fields={"site": [_("There is no such hospital among yours.")]})
        made = services.register(actor=actor_of(request), site=site, registration_key=_key(request))
        return Response(ParticipantOut(made).data, status=201)


class Consents(OfParticipant):
    """Consent of patient and family."""

    capability = {"get": capabilities.PARTICIPANT_VIEW, "post": capabilities.CONSENT_RECORD}

    @extend_schema(operation_id="participants_consents", responses=ConsentOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        return Response(
            ConsentOut(_consents(actor_of(request), self.participant(request, code)), many=True).data
        )

    @extend_schema(
        operation_id="participants_consent",
        request=ConsentIn,
        responses={201: ConsentOut},
        examples=[
            OpenApiExample(
                "consent",
                {
                    "form_version": "1.0",
                    "patient_signed_at": "2026-03-02T09:30:00+08:00",
                    "family_signed_at": "2026-03-02T09:40:00+08:00",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        given = services.consent(actor=actor_of(request), participant=participant, **consent_asked(request))
        return Response(
            ConsentOut(_consents(actor_of(request), participant).get(pk=given.pk)).data, status=201
        )


class Reconsent(OfParticipant):
    """Consent to an amended form."""

    capability = capabilities.CONSENT_RECORD

    @extend_schema(
        operation_id="participants_reconsent",
        request=ConsentIn,
        responses={201: ConsentOut},
        examples=[
            OpenApiExample(
                "consent",
                {
                    "form_version": "1.1",
                    "patient_signed_at": "2026-04-02T09:30:00+08:00",
                    "family_signed_at": "2026-04-02T09:40:00+08:00",
                    "obtained_by": "investigator.sh",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        given = services.reconsent(actor=actor_of(request), participant=participant, **consent_asked(request))
        return Response(
            ConsentOut(_consents(actor_of(request), participant).get(pk=given.pk)).data, status=201
        )


class Eligibility(OfParticipant):
    """The verdict, and the investigator's signature over it."""

    capability = {"get": capabilities.ELIGIBILITY_VIEW, "post": capabilities.ELIGIBILITY_SIGN}

    @extend_schema(
        operation_id="participants_eligibility",
        responses=VerdictOut,
        parameters=[
            OpenApiParameter(
                "surgery_on", str, description="T0. Else the surgery recorded, the day signed for, or today."
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
            "findings": found.findings,
            "signed": SignedVerdict.objects.standing(participant),
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
            actor=actor_of(request), participant=participant, registration_key=_key(request)
        )
        return Response(ParticipantOut(made).data, status=201)


class Surgery(OfParticipant):
    """The surgery: the anchor of the schedule."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_surgery",
        request=ValuesIn,
        responses={201: VisitOut(many=True)},
        examples=[
            OpenApiExample(
                "surgery",
                {
                    "values": {
                        "prdat": "2026-03-09",
                        "levels": ["T12"],
                        "levels_treated": 1,
                        "ablated": True,
                        "cement": {"value": "4.5", "unit": "mL"},
                        "leakage": "none",
                    }
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        planned = services.operate(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(VisitOut(planned, many=True).data, status=201)

    @extend_schema(
        operation_id="participants_correct_surgery",
        request=CorrectionIn,
        responses=VisitOut(many=True),
        examples=[
            OpenApiExample(
                "correction",
                {
                    "values": {
                        "prdat": "2026-03-08",
                        "levels": ["T12"],
                        "levels_treated": 1,
                        "ablated": True,
                        "cement": {"value": "4.5", "unit": "mL"},
                        "leakage": "none",
                    },
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the answer is the visits whose windows moved."""
        asked = read(CorrectionIn, request)
        moved = corrections.correct_surgery(
            actor=actor_of(request),
            participant=self.participant(request, code),
            values=asked["values"],
            expected_version=asked["version"],
            reason=asked["reason"],
        )
        return Response(VisitOut(moved, many=True).data)


class Forgo(OfParticipant):
    """An operated participant will not be randomized."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_forgo_randomization",
        request=ReasonIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("reason", {"reason": "Moved away."}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        corrections.forgo_randomization(
            actor=actor_of(request), participant=participant, **read(ReasonIn, request)
        )
        return Response(ParticipantOut(participant).data)


class StartSbrt(OfParticipant):
    """The first fraction of SBRT."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_sbrt",
        request=ValuesIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample(
                "sbrt", {"values": {"sbrtdat": "2026-03-16", "regimen": "r30_5"}}, request_only=True
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        participant = self.participant(request, code)
        services.start_sbrt(actor=actor_of(request), participant=participant, **asked)
        return Response(ParticipantOut(participant).data)


class EndSbrt(OfParticipant):
    """The last fraction of SBRT; the answer is the visits that count from it."""

    capability = capabilities.SURGERY_RECORD

    @extend_schema(
        operation_id="participants_end_sbrt",
        request=ValuesIn,
        responses={201: VisitOut(many=True)},
        examples=[
            OpenApiExample("end", {"values": {"endat": "2026-03-24", "completed": True}}, request_only=True)
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        participant = self.participant(request, code)
        planned = treatment.end(actor=actor_of(request), participant=participant, **read(ValuesIn, request))
        return Response(VisitOut(planned, many=True).data, status=201)

    @extend_schema(
        operation_id="participants_correct_end_of_sbrt",
        request=CorrectionIn,
        responses=VisitOut(many=True),
        examples=[
            OpenApiExample(
                "correction",
                {
                    "values": {"endat": "2026-03-25", "completed": True},
                    "version": 1,
                    "reason": "The date was misread.",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, code: str) -> Response:
        """Correct it; the answer is the visits whose windows moved."""
        asked = read(CorrectionIn, request)
        moved = treatment.end(
            actor=actor_of(request),
            participant=self.participant(request, code),
            values=asked["values"],
            expected_version=asked["version"],
            reason=asked["reason"],
        )
        return Response(VisitOut(moved, many=True).data)


class Completion(OfParticipant):
    """The end as planned: every visit is settled."""

    capability = capabilities.END_RECORD

    @extend_schema(operation_id="participants_completion", request=None, responses=ParticipantOut)
    def post(self, request: Request, code: str) -> Response:
        ended = services.complete(actor=actor_of(request), participant=self.participant(request, code))
        return Response(ParticipantOut(ended).data)


class BreachIn(serializers.Serializer[Any]):
    """Which criterion was not satisfied, why it came to that, and what was done about it."""

    criterion = serializers.CharField(max_length=12)
    why = serializers.CharField(max_length=500)
    action = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class Breaches(OfParticipant):
    """A criterion found broken after surgery, kept as a protocol deviation."""

    capability = capabilities.RECORD_EDIT

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
        return Response(RecordOut(made).data, status=201)


class AllocationView(OfParticipant):
    """The allocation, to those who may see the arm."""

    capability = capabilities.ARM_SEE

    @extend_schema(operation_id="participants_allocation", responses=AllocationOut)
    def get(self, request: Request, code: str) -> Response:
        made = arms.visible_to(actor_of(request)).filter(participant=self.participant(request, code)).first()
        if made is None:
            raise NotFound
        return Response(AllocationOut(made).data)


class Death(OfParticipant):
    """A death."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_death",
        request=ValuesIn,
        responses=ParticipantOut,
        examples=[OpenApiExample("death", {"values": {"dthdat": "2026-05-02"}}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        ended = services.record_death(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(ended).data)


class Withdrawal(OfParticipant):
    """A withdrawal."""

    capability = capabilities.END_RECORD

    @extend_schema(
        operation_id="participants_withdrawal",
        request=ValuesIn,
        responses=ParticipantOut,
        examples=[
            OpenApiExample(
                "withdrawal", {"values": {"wddat": "2026-05-02", "level": "visits"}}, request_only=True
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        asked = read(ValuesIn, request)
        ended = services.withdraw(
            actor=actor_of(request), participant=self.participant(request, code), **asked
        )
        return Response(ParticipantOut(ended).data)


class RandomizeIn(serializers.Serializer[Any]):
    """The stratification values that were confirmed; left out, those on record are taken."""

    strata = serializers.DictField(child=serializers.CharField(max_length=80), required=False)


class Randomize(OfParticipant):
    """The allocation: committed before this answers."""

    capability = capabilities.RANDOMIZE
    own_transaction = True

    @extend_schema(
        operation_id="participants_randomize",
        request=RandomizeIn,
        responses={201: OutcomeOut},
        parameters=[KEY],
        examples=[OpenApiExample("randomize", {"strata": {"site": "SHGH"}}, request_only=True)],
    )
    def post(self, request: Request, code: str) -> Response:
        with acting(actor_of(request)):
            participant = self.participant(request, code)
        outcome = services.randomize(
            actor=actor_of(request),
            participant=participant,
            idempotency_key=_key(request),
            strata=read(RandomizeIn, request).get("strata"),
        )
        return _answer(request, participant, outcome)


class Envelope(OfParticipant):
    """An allocation that was made from a sealed envelope while the system was down."""

    capability = capabilities.RANDOMIZE
    own_transaction = True

    @extend_schema(
        operation_id="participants_enter_envelope",
        request=EnvelopeIn,
        responses={201: OutcomeOut},
        parameters=[KEY],
        examples=[
            OpenApiExample(
                "envelope",
                {
                    "number": 1,
                    "arm": "RFA_PVP",
                    "opened_at": "2026-03-11T10:30:00+08:00",
                    "reason": "No power in the server room.",
                    "password": "…",
                    "second": "wang",
                    "second_password": "…",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, code: str) -> Response:
        with acting(actor_of(request)):
            participant = self.participant(request, code)
            asked = read(EnvelopeIn, request)
        outcome = services.enter_envelope(
            actor=actor_of(request), participant=participant, idempotency_key=_key(request), **asked
        )
        return _answer(request, participant, outcome)


def _answer(request: Request, participant: Participant, outcome: Any) -> Response:
    body = {
        "participant": participant.code,
        "arm": outcome.arm
        if has(actor_of(request), capabilities.ARM_SEE, site=participant.site_id)
        else "hidden",
        "position": outcome.position,
        "allocated_at": outcome.allocated_at,
        "ledger_head": outcome.ledger_head,
    }
    return Response(OutcomeOut(body).data, status=200 if outcome.replayed else 201)
