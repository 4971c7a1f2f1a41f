"""A few messages that did not simply leave, so that the list to work off has something to show."""

import datetime as dt
from collections.abc import Mapping

from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.outbox import rules, services
from trialsite.outbox.models import Message
from trialsite.staff.models import User, system_actor


def load(coordinators: Mapping[int, User]) -> None:
    """Of the oldest messages one stays uncertain, one is given up, one turns out delivered. A second call does nothing.

    `coordinators` by the id of their hospital decide. The worker that claimed the messages never reports back.
    """
    sender = system_actor("system.outbox")
    touched = ("uncertain", "given_up")
    with acting(sender):
        if Message.objects.filter(state__in=touched).exists():
            return
    before = clock.now() - rules.STALE_AFTER - dt.timedelta(minutes=1)
    claimed = services.claim(actor=sender, now=before, limit=3)
    services.resolve_stale(actor=sender, now=clock.now())
    for message, decide, reason in zip(
        claimed[1:],
        (services.give_up, services.mark_delivered),
        ("told the team by telephone", "it stands in the log of the mail server"),
        strict=False,
    ):
        decide(actor=coordinators[message.site_id], message=message, reason=reason)
