"""Participants over REST: read. The steps are enrollment's."""

from rest_framework import mixins, serializers

from trialsite.core.http import EndpointViewSet, Pages
from trialsite.participants.models import Participant, ParticipantQuerySet
from trialsite.staff import capabilities


class ParticipantOut(serializers.ModelSerializer[Participant]):
    """A participant under the code."""

    site = serializers.CharField(source="site.code")
    protocol_version = serializers.CharField(source="protocol_version.version")

    class Meta:
        model = Participant
        fields = ["code", "site", "status", "protocol_version", "attempt", "planned_surgery_on", "created_at"]


class ParticipantPages(Pages):
    """In the order of their codes."""

    ordering = "code"


class ParticipantViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, EndpointViewSet):
    """Participants of one's hospitals."""

    capability = capabilities.PARTICIPANT_VIEW
    serializer_class = ParticipantOut
    pagination_class = ParticipantPages
    lookup_field = "code"
    lookup_value_regex = r"[0-9]{2}-[0-9]{3,}"
    filterset_fields = {"status": ["exact"], "site__code": ["exact"]}
    queryset = Participant.objects.none()

    def get_queryset(self) -> ParticipantQuerySet:
        return Participant.objects.visible_to(self.request.user).with_protocol()  # type: ignore[arg-type]
