"""What stands on every message to a participant beside its text: the senders, held against the rule for the texts."""

from django.conf import settings
from django.db import DatabaseError

from trialsite.protocol.meaning import telling
from trialsite.protocol.models import ProtocolVersion


def ready() -> str:
    """`ok`, or which sender would tell a reader what messages to participants must not tell.

    By the vocabulary of the protocol in force; before one is loaded nobody is written to.
    """
    try:
        version = ProtocolVersion.objects.current()
    except DatabaseError as error:
        return f"no answer ({type(error).__name__})"
    senders = {"MAIL_FROM": settings.DEFAULT_FROM_EMAIL, "SMS_SENDER": settings.SMS_SENDER}
    told = [
        f"{name} tells {', '.join(map(repr, words))}"
        for name, sender in senders.items()
        if version and (words := telling(version.document, sender))
    ]
    return "; ".join(told) or "ok"
