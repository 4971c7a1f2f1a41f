"""Empty var/: `make reset`."""

import shutil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite.runtime.places import Places
from trialsite.runtime.postgres import Postgres
from trialsite.runtime.processes import Failed
from trialsite.runtime.supervisor import Supervisor
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """The embedded servers' data go for good; backups stay. Refuses while the deployment runs."""

    capability = HOST
    help = "Delete the embedded database, broker, mail and logs."
    requires_system_checks: list[str] = []  # type: ignore[misc, unused-ignore]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        places: Places = settings.PLACES
        try:
            with Supervisor(places.root, report=self.stdout.write):
                if not options["yes"] and not _agreed(places):
                    raise CommandError("Nothing was deleted.")
                Postgres(places.pgdata, places.socket_dir).stop()
                _empty(places)
        except (Failed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{places.root} is empty but for its backups.")


def _agreed(places: Places) -> bool:
    print(f"The database and everything else in {places.root}, except backups, will be deleted for good.")
    try:
        return input("Type reset to go on: ").strip() == "reset"
    except EOFError:
        return False


def _empty(places: Places) -> None:
    """Everything but the backups and the lock that we hold."""
    for path in places.root.iterdir():
        if path == places.backups or path.name == "supervisor.lock":
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(places.socket_dir, ignore_errors=True)
