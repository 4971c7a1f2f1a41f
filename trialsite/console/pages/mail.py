"""The mail that has left, where it is written to files."""

import email
import email.policy
from pathlib import Path

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
)
from django.utils.translation import gettext_lazy

from trialsite.console.pages.base import Page
from trialsite.outbox.models import Message
from trialsite.outbox.services import message_id
from trialsite.staff import capabilities
from trialsite.staff.models import User


class MailPage(Page):
    """The mail that has left, where it is written to files (demo and training)."""

    capability = capabilities.REMINDER_VIEW
    template = "console/mail.html"
    title = gettext_lazy("Mail (demo)")

    def get(self, request: HttpRequest) -> HttpResponse:
        if settings.TRIALSITE_ENV == "prod":
            raise Http404
        return self.show({"mails": _mails(self.actor)})


def _mails(actor: User) -> list[dict[str, str]]:
    """The newest mails about participants whom `actor` may see, newest first."""
    if not settings.EMAIL_FILE_PATH:
        return []
    known = {
        message_id(key)
        for key in Message.objects.visible_to(actor).filter(state="sent").values_list("key", flat=True)[:500]
    }
    files = sorted(Path(str(settings.EMAIL_FILE_PATH)).glob("*.log"), key=lambda path: path.stat().st_mtime)
    found = []
    for path in reversed(files[-200:]):
        for part in path.read_bytes().split(b"\n" + b"-" * 79 + b"\n"):
            mail = email.message_from_bytes(part, policy=email.policy.default)
            if str(mail.get("Message-ID", "")) in known:
                found.append(
                    {
                        "subject": str(mail["Subject"]),
                        "to": str(mail["To"]),
                        "date": str(mail["Date"]),
                        "body": str(mail.get_content()) if not mail.is_multipart() else "",
                    }
                )
    return found[:100]
