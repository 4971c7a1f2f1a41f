"""Participants, their consents, their screening, their contact details."""

from trialsite.participants.models.consents import (
    BOUND,
    Consent,
    ConsentForm,
    ConsentFormQuerySet,
    Withdrawal,
    owing_reconsent,
)
from trialsite.participants.models.contacts import Contact, ContactQuerySet, contact_of
from trialsite.participants.models.participants import Participant, ParticipantQuerySet
from trialsite.participants.models.screening import Identity, SamePerson, ScreenFailure, Transfer

__all__ = [
    "BOUND",
    "Consent",
    "ConsentForm",
    "ConsentFormQuerySet",
    "Contact",
    "ContactQuerySet",
    "Identity",
    "Participant",
    "ParticipantQuerySet",
    "SamePerson",
    "ScreenFailure",
    "Transfer",
    "Withdrawal",
    "contact_of",
    "owing_reconsent",
]
