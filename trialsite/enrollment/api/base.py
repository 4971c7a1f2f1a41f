"""What the addresses of the steps share: the participant, the key of a request, the bodies that several take."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from trialsite.core.errors import Invalid
from trialsite.core.http import Body, Endpoint
from trialsite.participants.models import Participant
from trialsite.staff.permissions import actor_of

KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A name of your own for this request. Repeat it and you get the same answer and no second row.",
)


def key_of(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not 8 <= len(key) <= 100 or not key.isascii() or not key.isprintable():
        raise Invalid(
            fields={"Idempotency-Key": [_("Give a header Idempotency-Key of 8 to 100 printable characters.")]}
        )
    return key


class ValuesIn(Body):
    """The items of a form: each a plain value, or an object with `value`, `unit`, `uln`."""

    values = serializers.DictField()


class ExplainedIn(ValuesIn):
    """The items, and why a rule was not kept where one was: that is recorded as a protocol deviation."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class CorrectionIn(ValuesIn):
    """All items as they should be, the version of the record that is corrected, and why."""

    version = serializers.IntegerField(min_value=1, source="expected_version")
    reason = serializers.CharField(max_length=300)


class ReasonIn(Body):
    """Why."""

    reason = serializers.CharField(max_length=500)


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
