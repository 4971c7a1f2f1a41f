"""Attachments over REST."""

import base64
import binascii
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trialsite.attachments import services
from trialsite.attachments.models import Attachment
from trialsite.casebook.models import Record
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.http import Body, Endpoint
from trialsite.core.parsing import LargeJSONParser
from trialsite.participants.models import Consent, Participant
from trialsite.staff import capabilities
from trialsite.staff.models import User
from trialsite.staff.permissions import actor_of


class AttachmentOut(serializers.ModelSerializer[Attachment]):
    """A file; its content is given out at `file/`, and no more once `withdrawn_at` is set."""

    event = serializers.CharField(source="record.event", default="")
    form = serializers.CharField(source="record.form", default="")
    repeat = serializers.IntegerField(source="record.repeat", default=None, allow_null=True)
    consent = serializers.CharField(source="consent.form_version", default="")
    added_by = serializers.CharField(source="added_by.username")

    class Meta:
        model = Attachment
        fields = [
            "id",
            "event",
            "form",
            "repeat",
            "consent",
            "title",
            "identifies",
            "content_type",
            "size",
            "sha256",
            "added_by",
            "created_at",
            "withdrawn_at",
            "withdrawn_reason",
        ]


class AttachmentIn(Body):
    """A PDF, JPEG or PNG in base64: for the record at `event`, `form`, `repeat`, or for the `consent` of a version.

    `identifies`: it shows who the participant is, and is for the hospital's team only; where it is left out, the form
    decides (`files_identify`).
    """

    event = serializers.CharField(max_length=40, default="", allow_blank=True)
    form = serializers.CharField(max_length=40, default="", allow_blank=True)
    repeat = serializers.IntegerField(min_value=1, max_value=9999, default=1)
    consent = serializers.CharField(max_length=40, default="", allow_blank=True)
    title = serializers.CharField(max_length=120)
    identifies = serializers.BooleanField(required=False, allow_null=True, default=None)
    content = serializers.CharField(trim_whitespace=False)


class WithdrawalIn(Body):
    """Why the file is given out no more."""

    reason = serializers.CharField(max_length=300)


_EXAMPLE = OpenApiExample(
    "report",
    {
        "event": "SCR",
        "form": "lesion",
        "title": "Report of the MRI",
        "identifies": False,
        "content": base64.b64encode(b"%PDF-1.4 ...").decode(),
    },
    request_only=True,
)


def _found(actor: User, code: str, pk: int) -> Attachment:
    participant = Participant.objects.visible_to(actor).by_code(code)
    rows = Attachment.objects.visible_to(actor).filter(participant=participant)
    found = rows.select_related("record", "consent", "added_by").filter(pk=min(pk, 2**62)).first()
    if found is None:
        raise NotFound
    return found


class Attachments(Endpoint):
    """The files of one participant."""

    capability = {"get": capabilities.RECORD_VIEW, "post": capabilities.RECORD_EDIT}
    # Base64 takes a third more.
    upload_limit = services.MOST_BYTES * 3 // 2
    parser_classes = [LargeJSONParser]

    @extend_schema(operation_id="participants_attachments", responses=AttachmentOut(many=True))
    def get(self, request: Request, code: str) -> Response:
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        rows = Attachment.objects.visible_to(actor).filter(participant=participant)
        return Response(AttachmentOut(rows.select_related("record", "consent", "added_by"), many=True).data)

    @extend_schema(
        operation_id="participants_attach",
        request=AttachmentIn,
        responses={201: AttachmentOut},
        examples=[_EXAMPLE],
    )
    def post(self, request: Request, code: str) -> Response:
        """Attach a file. The same bytes at the same place again give the same attachment."""
        actor = actor_of(request)
        participant = Participant.objects.visible_to(actor).by_code(code)
        asked = AttachmentIn(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        try:
            content = base64.b64decode(data["content"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise Invalid(fields={"content": [_("This is not base64.")]}) from error
        to = _target(actor, participant, data)
        made = services.attach(
            actor=actor, to=to, title=data["title"], content=content, identifies=data["identifies"]
        )
        return Response(AttachmentOut(made).data, status=201)


def _target(actor: User, participant: Participant, data: dict[str, Any]) -> Record | Consent:
    if bool(data["consent"]) == bool(data["form"]):
        raise Invalid(fields={"form": [_("Name either a form or a consent.")]})
    found: Record | Consent | None
    if data["consent"]:
        consents = Consent.objects.visible_to(actor).filter(participant=participant)
        found = consents.filter(form_version=data["consent"]).first()
    else:
        records = Record.objects.visible_to(actor).filter(participant=participant, event=data["event"])
        found = records.filter(form=data["form"], repeat=data["repeat"]).first()
    if found is None:
        raise NotFound
    return found


class AttachmentFile(Endpoint):
    """The bytes of one file."""

    capability = capabilities.RECORD_VIEW

    @extend_schema(
        operation_id="participants_attachment_file",
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)},
    )
    def get(self, request: Request, code: str, id: int) -> HttpResponse:
        """To be saved, never to be shown in a browser. The audit trail tells who took it."""
        found = _found(actor_of(request), code, id)
        name, data = services.give(actor=actor_of(request), attachment=found)
        return as_file(name, data)


class AttachmentWithdrawal(Endpoint):
    """The end of one file."""

    capability = capabilities.RECORD_EDIT

    @extend_schema(
        operation_id="participants_withdraw_attachment",
        request=WithdrawalIn,
        responses=AttachmentOut,
        examples=[OpenApiExample("reason", {"reason": "It belongs to somebody else."}, request_only=True)],
    )
    def post(self, request: Request, code: str, id: int) -> Response:
        found = _found(actor_of(request), code, id)
        asked = WithdrawalIn(data=request.data)
        asked.is_valid(raise_exception=True)
        done = services.withdraw(actor=actor_of(request), attachment=found, **asked.validated_data)
        return Response(AttachmentOut(done).data)


def as_file(name: str, data: bytes) -> HttpResponse:
    """An answer that a browser saves and never opens, whatever the bytes may be to it."""
    return HttpResponse(
        data,
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
