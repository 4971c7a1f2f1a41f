"""The ways out of the building."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from trialsite.outbox import mail, sms
from trialsite.outbox.resolvers import Report, Send


@dataclass(frozen=True)
class Channel:
    """How a message leaves by this way.

    `send` is given the message's key and content. `fate` asks the provider what became of a key: a report (`Again`:
    it never took it, so that it may be sent), or None where it does not answer. A channel whose provider keeps no
    keys has none, and what is left open there is for a person. `ready` says whether it is configured. Within `session`
    what a run sends may share a connection.
    """

    send: Callable[[str, Send], Report]
    fate: Callable[[str], Report | None] | None = None
    ready: Callable[[], bool] = lambda: True
    session: Callable[[], AbstractContextManager[None]] = nullcontext


CHANNELS: Final[Mapping[str, Channel]] = {
    "email": Channel(mail.send, session=mail.session),
    "sms": Channel(sms.send, sms.fate, sms.ready),
}
