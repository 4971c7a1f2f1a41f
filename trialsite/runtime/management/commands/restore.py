"""Replace the whole database by a backup: `make restore FILE=…`."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite.runtime import dumps
from trialsite.runtime.deployment import mark_demo
from trialsite.runtime.processes import Failed
from trialsite.runtime.servers import Servers, reachable
from trialsite.runtime.supervisor import Lock
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """All of the backup, or no change at all. The deployment must be stopped."""

    capability = HOST
    help = "Replace everything in the database by what a backup holds."
    requires_system_checks: list[str] = []  # type: ignore[misc, unused-ignore]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not options["yes"] and not _agreed(file):
            raise CommandError("Nothing was changed.")
        places = settings.PLACES
        try:
            servers = Servers.of(os.environ, places)
            # `reachable` takes the lock itself where it has to start the embedded server.
            alone = (
                Lock(places.root) if servers.postgres is None or servers.postgres.running() else nullcontext()
            )
            with alone, reachable(servers, places, self.stdout.write):
                dumps.restore(servers.owner_url, file)
                places.prepared.unlink(missing_ok=True)
                mark_demo(places, servers)
        except (Failed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored {file}. The next `make up` brings the schema up to date.")


def _agreed(file: Path) -> bool:
    print(f"Everything in the database will be replaced by {file}.")
    try:
        return input("Type restore to go on: ").strip() == "restore"
    except EOFError:
        return False
