"""Participants: the only writes, by subject."""

from trialsite.participants.services.consents import (
    adopt,
    approve_consent_form,
    correct_consent,
    record_consent,
    record_withdrawal,
    retire_consent_form,
)
from trialsite.participants.services.contacts import (
    erase_contact,
    find_by_contact,
    rewrap_keys,
    set_contact,
)
from trialsite.participants.services.identities import (
    identity_not_available,
    record_identity,
    register_identity,
    require_identity,
)
from trialsite.participants.services.registration import move, plan_surgery, register
from trialsite.participants.services.screening import record_failure, transfer

__all__ = [
    "adopt",
    "approve_consent_form",
    "correct_consent",
    "erase_contact",
    "find_by_contact",
    "identity_not_available",
    "move",
    "plan_surgery",
    "record_consent",
    "record_failure",
    "record_identity",
    "record_withdrawal",
    "register",
    "register_identity",
    "require_identity",
    "retire_consent_form",
    "rewrap_keys",
    "set_contact",
    "transfer",
]
