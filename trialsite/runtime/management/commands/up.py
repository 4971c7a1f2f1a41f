"""Run the whole deployment from one terminal: `make up`."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from trialsite.runtime.deployment import Deployment
from trialsite.runtime.processes import Failed
from trialsite.staff.capabilities import HOST
from trialsite.staff.models import User


class Command(BaseCommand):
    """Embedded servers unless real ones are named, the schema brought up to date, then web, worker, beat."""

    capability = HOST
    help = "Start the database, the broker, the web server, the worker and beat; Ctrl-C stops them all."
    # The database that checks would ask is not up yet; `prepare_database` and the web process check.
    requires_system_checks: list[str] = []  # type: ignore[misc, unused-ignore]

    def handle(self, *args: Any, **options: Any) -> None:
        demo = settings.TRIALSITE_ENV == "demo"
        try:
            Deployment(
                repository=settings.BASE_DIR,
                places=settings.PLACES,
                env=os.environ,
                hosts=settings.ALLOWED_HOSTS,
                demo=demo,
                say=self._say,
                welcome=self._show_sign_ins if demo else self._show_first_steps,
            ).run()
        except (Failed, PermissionError) as error:
            raise CommandError(str(error)) from error

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _show_first_steps(self) -> None:
        """Where people come in, and how the first of them gets an account."""
        if settings.PROD:
            self._say(
                f"People reach it at {settings.PUBLIC_URL}/, through a reverse proxy that sets X-Forwarded-Proto and"
                " X-Forwarded-For."
            )
        if not User.objects.filter(kind=User.Kind.PERSON, is_active=True).exists():
            self._say(
                'Nobody has an account yet: manage.py invite_first USERNAME --name "FULL NAME" --email ADDRESS'
            )
        connection.close()

    def _show_sign_ins(self) -> None:
        """The demo's people; imported here because no other environment may know them."""
        from trialsite.demo.people import DEMO_PEOPLE

        self._say("Demo sign-ins (invented people, known to everyone):")
        for person in DEMO_PEOPLE:
            where = person.site or "all hospitals"
            self._say(f"  {person.username:<20}{person.passphrase:<22}{person.role:<16}{where}")
