"""A real SMTP server whose answers a test chooses; nothing in it pretends to be Django or smtplib."""

import asyncio
import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.processes import free_port

OK = "250 OK"


class MailServer:
    """Accepts everything until told otherwise.

    `answers`: at which command (MAIL, RCPT, DATA) it says what instead of OK. `breaks`: it takes the message and hangs
    up without a word. `meanwhile`: what happens elsewhere between its taking the message and its answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.breaks = False
        self.meanwhile: Callable[[], Any] = lambda: None
        self.tries = 0
        self.greeted = 0
        self.sessions: list[Any] = []
        self.mails: list[EmailMessage] = []
        self.envelopes: list[list[str]] = []
        self.port = free_port()

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greeted += 1
        self.sessions.append(server)
        return responses

    def hang_up(self) -> None:
        """Close every line without a word, as a server does that restarts or finds it idle too long."""
        for one in self.sessions:
            one.loop.call_soon_threadsafe(one.transport.abort)
        self.sessions.clear()

    async def handle_MAIL(  # noqa: N802 -- aiosmtpd's name, as those below
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.tries += 1
        envelope.mail_from = address
        return self.answers.get("MAIL", OK)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get("RCPT", OK)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.get("DATA", OK)
        if answer == OK:
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self.envelopes.append(list(envelope.rcpt_tos))
        await asyncio.to_thread(self.meanwhile)
        if self.breaks:
            server.transport.abort()
        return answer

    def sent_to(self, address: str) -> list[EmailMessage]:
        """The mails whose envelope names `address`."""
        return [mail for mail, to in zip(self.mails, self.envelopes, strict=True) if address in to]


@pytest.fixture
def mailserver(settings: Any) -> Iterator[MailServer]:
    """The server that Django's mail settings point at."""
    made = MailServer()
    controller = Controller(made, hostname="127.0.0.1", port=made.port)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
    controller.start()
    yield made
    controller.stop()
