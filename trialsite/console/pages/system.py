"""How the server is: for whoever keeps the accounts."""

import datetime as dt
import platform
from typing import Any, Final

import django
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from trialsite.console.pages.base import Page
from trialsite.core import health
from trialsite.staff.capabilities import USER_MANAGE

_PARTS: Final[dict[str, Any]] = {
    "database": gettext_lazy("database"),
    "guards": gettext_lazy("guards of the database"),
    "senders": gettext_lazy("senders of messages"),
    "list": gettext_lazy("randomization list"),
    "broker": gettext_lazy("queue"),
    "clock": gettext_lazy("clock"),
}


class SystemPage(Page):
    """What `/healthz/ready` asks, in full, with the clock's figures and the versions."""

    capability = USER_MANAGE
    template = "account/system.html"
    title = gettext_lazy("Server")

    def get(self, request: HttpRequest) -> HttpResponse:
        findings = health.findings()
        # One after the other, so that the two can be compared by eye.
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), clock_timestamp()")
            version, there = cursor.fetchone()
        here = timezone.now()
        return self.show(
            {
                "findings": [
                    (_PARTS.get(name, name), text.removeprefix("ok"), text.startswith("ok"))
                    for name, text in findings.items()
                ],
                "here": _told(here),
                "there": _told(there),
                "versions": [
                    ("Python", platform.python_version()),
                    ("Django", django.get_version()),
                    ("PostgreSQL", version),
                ],
            }
        )


def _told(at: dt.datetime) -> str:
    """In UTC, to the millisecond."""
    return at.astimezone(dt.UTC).isoformat(sep=" ", timespec="milliseconds")
