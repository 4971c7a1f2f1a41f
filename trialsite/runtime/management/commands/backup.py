"""Write the whole database to one file: `make backup`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite.runtime import dumps
from trialsite.runtime.processes import Failed
from trialsite.runtime.servers import Servers, reachable
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """Works while the deployment runs, and when it is down; on embedded and on real servers."""

    capability = HOST
    help = "Write a backup of the whole database (without the keys, which are kept apart)."
    requires_system_checks: list[str] = []  # type: ignore[misc, unused-ignore]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=Path, metavar="FILE", help="default: a new file in var/backups")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["to"] or settings.PLACES.backups / dumps.name(datetime.now(UTC))
        if file.exists():
            raise CommandError(f"{file} exists already; a backup never overwrites another.")
        try:
            servers = Servers.of(os.environ, settings.PLACES)
            with reachable(servers, settings.PLACES, self.stdout.write):
                dumps.backup(servers.owner_url, file)
        except (Failed, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file} ({file.stat().st_size:,} bytes)")
        self.stdout.write(
            "The keys are not in it: keep DATA_KEYS, INDEX_KEYS and SEQUENCE_KEY apart, and keep them safe."
        )
