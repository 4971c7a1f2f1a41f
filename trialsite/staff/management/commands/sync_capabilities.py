"""Copy the permission file into the table that the row policies read, and make the system users. Owner only."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections, transaction

from trialsite.staff.capabilities import CAPABILITIES, HOST
from trialsite.staff.models import Membership, RoleCapability, User

SYSTEM_USERS = {
    "system.installer": "Installer",
    "system.loader": "Protocol loader",
    "system.reminders": "Planner of reminders",
    "system.outbox": "Sender of messages",
    "system.door": "Keeper of the door",
}


class Command(BaseCommand):
    """Idempotent; part of `prepare_database`."""

    capability = HOST
    help = "Copy roles and capabilities into the database and make the named system users."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--database", default="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["database"]
        with transaction.atomic(using=alias):
            wanted = {(role, name) for role, names in CAPABILITIES.items() for name in names}
            rows = RoleCapability.objects.using(alias)
            held = set(rows.values_list("role", "capability"))
            for role, name in held - wanted:
                rows.filter(role=role, capability=name).delete()
            rows.bulk_create(
                RoleCapability(role=role, capability=name) for role, name in sorted(wanted - held)
            )
            for username, full_name in SYSTEM_USERS.items():
                self._system_user(alias, username, full_name)

    def _system_user(self, alias: str, username: str, full_name: str) -> None:
        users = User.objects.using(alias)
        if users.filter(username=username).exists():
            return
        with connections[alias].cursor() as cursor:
            # The first user has nobody before it: the installer records its own creation.
            cursor.execute("SELECT nextval(pg_get_serial_sequence('staff_user', 'id'))")
            number = cursor.fetchone()[0]
            installer = users.filter(username="system.installer").values_list("pk", flat=True).first()
            cursor.execute(
                "SELECT set_config('edc.actor', %s, true), set_config('edc.application', 'command', true)",
                [str(installer or number)],
            )
        user = User(pk=number, username=username, full_name=full_name, kind=User.Kind.SYSTEM, language="en")
        user.set_unusable_password()
        user.save(using=alias, force_insert=True)
        Membership.objects.using(alias).create(user=user, role="system", site=None)
