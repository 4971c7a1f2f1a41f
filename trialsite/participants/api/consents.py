"""Versions of the consent form, and who owes a signature under an amended one, over REST."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.core import clock
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Body, Endpoint
from trialsite.participants import services
from trialsite.participants.models import ConsentForm, Participant, Withdrawal, owing_reconsent
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff import capabilities
from trialsite.staff.permissions import actor_of


class ConsentFormIn(Body):
    """A version of the form as a hospital's committee approved it; `reconsent`: earlier participants sign anew."""

    site = serializers.SlugField(max_length=12)
    protocol_version = serializers.CharField(max_length=40)
    version = serializers.CharField(max_length=40)
    approved_on = serializers.DateField()
    reference = serializers.CharField(max_length=80)
    reconsent = serializers.BooleanField(default=True)


class ConsentFormOut(serializers.ModelSerializer[ConsentForm]):
    """A version of the form at one hospital."""

    site = serializers.CharField(source="site.code")
    protocol_version = serializers.CharField(source="protocol_version.version")

    class Meta:
        model = ConsentForm
        fields = [
            "id",
            "site",
            "protocol_version",
            "version",
            "approved_on",
            "reference",
            "reconsent",
            "retired_on",
        ]


class RetirementIn(Body):
    """The first day on which the form is not signed any more, and why."""

    on = serializers.DateField()
    reason = serializers.CharField(max_length=300)


class OwedOut(serializers.Serializer[Any]):
    """Who owes a signature: which form was signed last, which is owed, and since when."""

    participant = serializers.CharField(source="code")
    site = serializers.CharField(source="site.code")
    signed_version = serializers.CharField(allow_null=True)
    owed_version = serializers.CharField()
    owed_since = serializers.DateField()


class WithdrawalOut(serializers.ModelSerializer[Withdrawal]):
    """What a participant withdrew from, and when."""

    class Meta:
        model = Withdrawal
        fields = ["level", "on"]


class ConsentForms(Endpoint):
    """The versions of the consent form with their approvals."""

    capability = {"get": capabilities.PROTOCOL_VIEW, "post": capabilities.CONSENT_FORM_MANAGE}

    @extend_schema(operation_id="consent_forms", responses=ConsentFormOut(many=True))
    def get(self, request: Request) -> Response:
        forms = ConsentForm.objects.visible_to(actor_of(request)).select_related("site", "protocol_version")
        return Response(ConsentFormOut(forms.defer("protocol_version__document"), many=True).data)

    @extend_schema(
        operation_id="consent_forms_approve",
        request=ConsentFormIn,
        responses={201: ConsentFormOut},
        examples=[
            OpenApiExample(
                "approval",
                {
                    "site": "SHGH",
                    "protocol_version": "1.0",
                    "version": "1.1",
                    "approved_on": "2026-02-10",
                    "reference": "EC-2026-031",
                    "reconsent": True,
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        asked = ConsentFormIn(data=request.data)
        asked.is_valid(raise_exception=True)
        data = dict(asked.validated_data)
        site = Site.objects.visible_to(actor_of(request)).filter(code=data.pop("site")).first()
        version = (
            ProtocolVersion.objects.filter(version=data.pop("protocol_version")).defer("document").first()
        )
        if site is None:
            raise Invalid(fields={"site": [_("There is no such hospital among yours.")]})
        if version is None:
            raise Invalid(fields={"protocol_version": [_("There is no such version.")]})
        made = services.approve_consent_form(
            actor=actor_of(request), site=site, protocol_version=version, **data
        )
        return Response(ConsentFormOut(made).data, status=201)


class ConsentFormRetirement(Endpoint):
    """The end of a version of the form at one hospital."""

    capability = capabilities.CONSENT_FORM_MANAGE

    @extend_schema(
        operation_id="consent_forms_retire",
        request=RetirementIn,
        responses=ConsentFormOut,
        examples=[
            OpenApiExample(
                "retirement", {"on": "2026-03-01", "reason": "Version 1.1 replaces it."}, request_only=True
            )
        ],
    )
    def post(self, request: Request, pk: int) -> Response:
        asked = RetirementIn(data=request.data)
        asked.is_valid(raise_exception=True)
        form = ConsentForm.objects.visible_to(actor_of(request)).filter(pk=pk).first()
        if form is None:
            raise NotFound
        retired = services.retire_consent_form(actor=actor_of(request), form=form, **asked.validated_data)
        return Response(ConsentFormOut(retired).data)


class ConsentsOwed(Endpoint):
    """Participants who must sign an amended form."""

    capability = capabilities.PARTICIPANT_VIEW

    @extend_schema(operation_id="consents_owed", responses=OwedOut(many=True))
    def get(self, request: Request) -> Response:
        owing = owing_reconsent(actor_of(request), clock.today(settings.TIME_ZONE))
        return Response(OwedOut(owing, many=True).data)


class Withdrawals(Endpoint):
    """What one participant withdrew from."""

    capability = capabilities.PARTICIPANT_VIEW

    @extend_schema(operation_id="participants_withdrawals", responses=WithdrawalOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        participant = Participant.objects.visible_to(actor_of(request)).by_code(code)
        return Response(WithdrawalOut(participant.withdrawals.all(), many=True).data)
