"""The channel `email`: Django's mail backend, and what the server's answer means for the message.

Until the connection stands, nothing has been sent and every error is worth another try. From then on only the
server's own answer decides: 4xx another try, 5xx failed. Silence after that (the line broke, the time ran out)
leaves open whether the server took the message: it is *uncertain* and never sent again by itself.

A worker's run keeps one connection (`session`): greeting, TLS and sign-in cost more than a mail. Before each mail a
NOOP asks whether the server still listens, so that a line closed meanwhile is opened anew while nothing is at stake.
"""

import contextlib
import hashlib
import smtplib
import threading
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.utils.translation import gettext_noop

from trialsite.outbox.resolvers import Again, Failed, Report, Send, Sent, Uncertain
from trialsite.outbox.rules import without_address

_ACCEPTED: Final = gettext_noop("accepted by the mail server")
# Servers close a line that carries too many mails; we do it first.
_MAILS_PER_LINE: Final = 100
_kept = threading.local()
_NOT_A_MAIL: Final = gettext_noop("the address or the subject cannot be used in a mail")


def message_id(key: str) -> str:
    """The Message-ID header that belongs to a key: the same at every attempt, so that a reader's program sees one."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def send(key: str, content: Send) -> Report:
    """Send one mail and say what became of it. Raises nothing that a mail server can cause."""
    try:
        validate_email(content.to)
    except ValidationError:
        return Failed(_NOT_A_MAIL)
    # A form feed ends the line of a header too where Python's library writes it; Django asks for CR and LF alone.
    if content.subject.splitlines() not in ([], [content.subject]):
        return Failed(_NOT_A_MAIL)
    mail = EmailMessage(
        content.subject,
        content.body,
        settings.DEFAULT_FROM_EMAIL,
        [content.to],
        headers={"Message-ID": message_id(key)},
    )
    line: Line | None = getattr(_kept, "line", None)
    if line is None:
        with session():
            return _sent_by(_kept.line, mail, content.to)
    return _sent_by(line, mail, content.to)


class Line:
    """One connection to the mail server, and how many mails it has carried."""

    def __init__(self) -> None:
        self.backend: BaseEmailBackend | None = None
        self.mails = 0

    def ready(self) -> BaseEmailBackend:
        """An open connection: the one that stands if the server still answers on it, else a new one."""
        if self.backend is not None and (self.mails >= _MAILS_PER_LINE or not _answers(self.backend)):
            self.close()
        if self.backend is None:
            backend = get_connection()
            backend.open()
            self.backend, self.mails = backend, 0
        self.mails += 1
        return self.backend

    def close(self) -> None:
        """What was sent has met its fate; a server that does not answer QUIT changes nothing."""
        backend, self.backend = self.backend, None
        if backend is not None:
            with contextlib.suppress(OSError):
                backend.close()


@contextlib.contextmanager
def session() -> Iterator[None]:
    """Within it the mails of this thread share one connection."""
    if getattr(_kept, "line", None) is not None:
        yield
        return
    _kept.line = Line()
    try:
        yield
    finally:
        line, _kept.line = _kept.line, None
        line.close()


def _answers(backend: BaseEmailBackend) -> bool:
    connection = getattr(backend, "connection", None)
    if connection is None:
        return False
    try:
        return bool(connection.noop()[0] == 250)
    except (smtplib.SMTPException, OSError):
        return False


def _sent_by(line: Line, mail: EmailMessage, to: str) -> Report:
    try:
        backend = line.ready()
    except (smtplib.SMTPException, OSError) as error:
        return Again(_words(error, to))
    report = _handed_over(backend, mail, to)
    if not isinstance(report, Sent):
        line.close()
    return report


def _handed_over(backend: BaseEmailBackend, mail: EmailMessage, to: str) -> Report:
    try:
        backend.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        return _judge(*next(iter(error.recipients.values())), to)
    except smtplib.SMTPResponseException as error:
        return _judge(error.smtp_code, error.smtp_error, to)
    except (smtplib.SMTPException, OSError) as error:
        return Uncertain(_words(error, to))
    except ValueError:
        return Failed(_NOT_A_MAIL)
    return Sent(_ACCEPTED)


def _judge(code: int, text: bytes | str, to: str) -> Report:
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    answer = without_address(f"{code} {said}", to)
    if 400 <= code < 500:
        return Again(answer)
    return Failed(answer) if 500 <= code < 600 else Uncertain(answer)


def _words(error: OSError, to: str) -> str:
    return without_address(f"{type(error).__name__}: {error}", to)
