"""Participants over REST, by subject."""

from trialsite.participants.api.participants import ParticipantOut, ParticipantViewSet

__all__ = ["ParticipantOut", "ParticipantViewSet"]
