"""Bring a database to the present schema: migrations and permission table as owner. Safe to repeat."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from trialsite.audit.services import begin_epoch
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """Run once per deployment, with DATABASE_OWNER_URL set; the serving processes never get that address."""

    capability = HOST
    help = "Migrate as owner, copy the permission file, load the protocol given."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--protocol", default=str(settings.BASE_DIR / "protocols" / "nct06756087"))

    def handle(self, *args: Any, **options: Any) -> None:
        if "owner" not in settings.DATABASES:
            raise CommandError(
                "Set DATABASE_OWNER_URL to the address of the role that owns the tables (edc_owner)."
            )
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        call_command("sync_capabilities", database="owner")
        begin_epoch(using="owner")
        connections["owner"].close()
        call_command("load_trial", options["protocol"])
        call_command("load_holidays")
        self.stdout.write("The database is ready.")
