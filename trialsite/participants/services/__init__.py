"""Participants: the only writes, by subject."""

from trialsite.participants.services.consents import record_consent
from trialsite.participants.services.contacts import (
    erase_contact,
    find_by_contact,
    rewrap_keys,
    set_contact,
)
from trialsite.participants.services.registration import move, register

__all__ = [
    "erase_contact",
    "find_by_contact",
    "move",
    "record_consent",
    "register",
    "rewrap_keys",
    "set_contact",
]
