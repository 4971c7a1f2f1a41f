"""The ledger over REST, for those who may view it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from randomization import continuity, overview, steering
from randomization.models import Allocation, Scheme, Stratum, VoidEnvelope
from trialsite.audit.notes import note
from trialsite.core.errors import NotFound
from trialsite.core.http import Body, Declared, Endpoint, Pages
from trialsite.staff.capabilities import LEDGER_ATTEST, LEDGER_VIEW, SEQUENCE_MANAGE
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class SchemeOut(serializers.ModelSerializer[Scheme]):
    """State, published hashes and where the ledger stands."""

    roots = serializers.SerializerMethodField()
    emergency_roots = serializers.SerializerMethodField(
        help_text="Of the envelopes; empty where there are none."
    )
    genesis = serializers.SerializerMethodField(
        help_text="The head of the empty ledger, which binds all roots."
    )

    class Meta:
        model = Scheme
        fields = [
            "trial",
            "environment",
            "state",
            "specification_hash",
            "commitments",
            "public",
            "roots",
            "emergency_roots",
            "genesis",
            "total_cap",
            "cap",
            "position",
            "head",
        ]

    def get_roots(self, scheme: Scheme) -> dict[str, str]:
        return dict(scheme.strata.order_by("key").values_list("key", "root"))

    def get_emergency_roots(self, scheme: Scheme) -> dict[str, str]:
        return dict(scheme.strata.order_by("key").values_list("key", "emergency_root"))

    def get_genesis(self, scheme: Scheme) -> str:
        return overview.genesis(scheme, scheme.strata.all())


class Randomization(Endpoint):
    """The trial's randomization."""

    capability = LEDGER_VIEW

    @extend_schema(operation_id="randomization", responses=SchemeOut)
    def get(self, request: Request) -> Response:
        scheme = Scheme.objects.visible_to(request.user).first()  # type: ignore[arg-type]
        if scheme is None:
            raise NotFound
        note(actor=actor_of(request), action="view", about="randomization_scheme", key=scheme.pk)
        return Response(SchemeOut(scheme).data)


class LedgerRow(serializers.ModelSerializer[Allocation]):
    """One row: without the arm, which the participant's page shows to those who may see it."""

    participant = serializers.CharField(source="participant.code")
    stratum = serializers.CharField(source="stratum.key")
    allocated_by = serializers.CharField(source="allocated_by.username")

    class Meta:
        model = Allocation
        fields = [
            "position",
            "participant",
            "stratum",
            "kind",
            "index",
            "strata_hash",
            "eligibility_hash",
            "allocated_at",
            "opened_at",
            "allocated_by",
            "previous_hash",
            "hash",
        ]


class LedgerPages(Pages):
    """By position."""

    ordering = "position"


class Ledger(Declared, generics.ListAPIView[Any]):
    """The rows of the ledger."""

    capability = LEDGER_VIEW
    serializer_class: Any = LedgerRow
    pagination_class = LedgerPages
    queryset = Allocation.objects.none()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        note(actor=actor_of(request), action="view", about="randomization_allocation")
        return super().list(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        rows = Allocation.objects.visible_to(self.request.user)  # type: ignore[arg-type]
        return rows.select_related("participant", "stratum", "allocated_by")


class HeadOut(serializers.ModelSerializer[Allocation]):
    """Where the ledger stood after an allocation: what the mails and the witness say too."""

    head = serializers.CharField(source="hash")

    class Meta:
        model = Allocation
        fields = ["position", "head", "allocated_at"]


class Heads(Ledger):
    """The heads of the ledger, to be held against mails and witness."""

    serializer_class: Any = HeadOut


class StratumOut(serializers.ModelSerializer[Stratum]):
    """A stratum: its state, caps and counters. No arms."""

    site = serializers.CharField(source="site.code")
    allocated = serializers.IntegerField(
        source="used", help_text="From list and envelopes, as a cap counts them."
    )

    class Meta:
        model = Stratum
        fields = [
            "key",
            "site",
            "state",
            "cap",
            "length",
            "emergency_length",
            "allocated",
            "root",
            "emergency_root",
        ]


class Strata(Endpoint):
    """The strata and how far each list is used."""

    capability = LEDGER_VIEW

    @extend_schema(operation_id="randomization_strata", responses=StratumOut(many=True))
    def get(self, request: Request) -> Response:
        return Response(StratumOut(overview.overview(actor_of(request)).strata, many=True).data)


class SteerIn(Body):
    """A new state, or a cap (null: none but the list's), and why. `stratum` is left out for the whole trial."""

    stratum = serializers.CharField(max_length=400, required=False)
    state = serializers.ChoiceField(["active", "paused", "closed"], required=False)
    cap = serializers.IntegerField(min_value=0, allow_null=True, required=False)
    reason = serializers.CharField(max_length=300)


class Steering(Endpoint):
    """Pause, resume, close or cap randomization for the trial or for one stratum."""

    capability = SEQUENCE_MANAGE

    @extend_schema(
        operation_id="randomization_steer",
        request=SteerIn,
        responses=SchemeOut,
        examples=[
            OpenApiExample(
                "pause",
                {"stratum": "site=SHGH", "state": "paused", "reason": "Accelerator under repair."},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        asked = SteerIn(data=request.data)
        asked.is_valid(raise_exception=True)
        scheme = steering.steer(actor=actor_of(request), **asked.validated_data)
        return Response(SchemeOut(scheme).data)


class VoidIn(Body):
    """The next envelope of a stratum, which cannot be entered for anybody, and the two persons who sign for it."""

    stratum = serializers.CharField(max_length=400)
    number = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300)
    password = serializers.CharField(write_only=True, trim_whitespace=False)
    second = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.filter(is_active=True))
    second_password = serializers.CharField(write_only=True, trim_whitespace=False)
    code = serializers.CharField(write_only=True, required=False, allow_blank=True, default="", max_length=20)
    second_code = serializers.CharField(
        write_only=True, required=False, allow_blank=True, default="", max_length=20
    )


class VoidOut(serializers.ModelSerializer[VoidEnvelope]):
    """A void envelope."""

    stratum = serializers.CharField(source="stratum.key")
    number = serializers.IntegerField(source="index")
    declared_by = serializers.CharField(source="declared_by.username")
    confirmed_by = serializers.CharField(source="confirmed_by.username")

    class Meta:
        model = VoidEnvelope
        fields = ["stratum", "number", "reason", "created_at", "declared_by", "confirmed_by"]


class VoidEnvelopes(Endpoint):
    """Declares an envelope void, so that those behind it can be entered."""

    capability = SEQUENCE_MANAGE

    @extend_schema(
        operation_id="randomization_void_envelope",
        request=VoidIn,
        responses=VoidOut,
        examples=[
            OpenApiExample(
                "void",
                {
                    "stratum": "site=SHGH",
                    "number": 3,
                    "reason": "Lost when the office moved.",
                    "password": "…",
                    "second": "chen",
                    "second_password": "…",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        asked = VoidIn(data=request.data)
        asked.is_valid(raise_exception=True)
        made = steering.void_envelope(actor=actor_of(request), **asked.validated_data)
        return Response(VoidOut(made).data)


class AttestIn(Body):
    """Position and head as the last mail says them."""

    position = serializers.IntegerField(min_value=0)
    head = serializers.CharField(min_length=64, max_length=64)


class StandingOut(serializers.Serializer[Any]):
    """Why allocation rests (empty: it does not), and who has attested so far."""

    why = serializers.CharField()
    attested_by = serializers.ListField(child=serializers.CharField())


class Attestations(Endpoint):
    """After a restored backup: two people enter the last mailed position and head."""

    capability = LEDGER_ATTEST

    @extend_schema(operation_id="randomization_standing", responses=StandingOut)
    def get(self, request: Request) -> Response:
        return Response(StandingOut(continuity.standing(actor=actor_of(request))).data)

    @extend_schema(
        operation_id="randomization_attest",
        request=AttestIn,
        responses=StandingOut,
        examples=[OpenApiExample("attest", {"position": 17, "head": "5f" * 32}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = AttestIn(data=request.data)
        asked.is_valid(raise_exception=True)
        found = continuity.attest(actor=actor_of(request), **asked.validated_data)
        return Response(StandingOut(found).data)


class AccessOut(serializers.Serializer[Any]):
    """One person's access to the sequence, in one role, over time."""

    who = serializers.CharField()
    role = serializers.CharField()
    what = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)


class AccessLog(Endpoint):
    """Who had access to the sequence (CONSORT 2025 item 19)."""

    capability = LEDGER_VIEW

    @extend_schema(operation_id="randomization_access", responses=AccessOut(many=True))
    def get(self, request: Request) -> Response:
        return Response(AccessOut(overview.access_log(actor_of(request)), many=True).data)


class ActOut(serializers.Serializer[Any]):
    """An act on the list, an envelope that was refused, or a view of list, ledger or log."""

    at = serializers.DateTimeField()
    who = serializers.SerializerMethodField()
    action = serializers.CharField()
    about = serializers.CharField(source="table_name")
    reason = serializers.CharField()

    def get_who(self, event: Any) -> str:
        return str(self.context["people"].get(event.actor_id, ""))


class ActPages(Pages):
    """Newest first."""

    ordering = "-id"


class Acts(Declared, generics.ListAPIView[Any]):
    """What was done with list and ledger, and who looked: the second part of the access log."""

    capability = LEDGER_VIEW
    serializer_class: Any = ActOut
    pagination_class = ActPages
    queryset = Allocation.objects.none()

    def get_serializer_context(self) -> dict[str, Any]:
        people = dict(User.objects.values_list("pk", "full_name"))
        return {**super().get_serializer_context(), "people": people}

    def get_queryset(self) -> Any:
        return overview.noted(actor_of(self.request))
