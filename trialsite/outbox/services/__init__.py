"""Messages: the only writes. Putting by rooms, sending by workers, deciding by people."""

from trialsite.outbox.mail import message_id
from trialsite.outbox.services.hands import give_up, mark_delivered, preferences, retry, set_preference
from trialsite.outbox.services.putting import escalate, put, tell
from trialsite.outbox.services.sending import claim, deliver, resolve_stale, send_due

__all__ = [
    "claim",
    "deliver",
    "escalate",
    "give_up",
    "mark_delivered",
    "message_id",
    "preferences",
    "put",
    "resolve_stale",
    "retry",
    "send_due",
    "set_preference",
    "tell",
]
