"""Check the trail against its seals."""

import datetime as dt
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from trialsite import environment
from trialsite.audit import witness
from trialsite.audit.verification import verify

# Sealed every four minutes; an event that waits longer than this means that the worker does not run.
LONGEST_TAIL = dt.timedelta(minutes=5)


class Command(BaseCommand):
    """Reads as the owner of the tables, who sees every row; changes nothing. Exit code 1 where something is wrong."""

    capability = "host"
    help = "Recompute every seal of the audit trail and say what does not fit."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--head", action="append", default=[], help="a head that was mailed: it must still be there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with psycopg.connect(_owner_url(), autocommit=True) as connection:
            witnessed = list(witness.heads())
            report = verify(connection, known_heads=options["head"], witnessed=witnessed)
        self.stdout.write(f"{report.events} events under {report.seals} seals. Head: {report.head}")
        self.stdout.write(f"{len(witnessed)} heads in the witness ({witness.file() or 'none is kept'}).")
        self.stdout.write(f"{report.tail} events not sealed yet.")
        if report.oldest and dt.datetime.now(dt.UTC) - report.oldest > LONGEST_TAIL:
            report.problems.append(
                f"events since {report.oldest.isoformat()} are not sealed: does the worker run?"
            )
        if report.problems:
            raise CommandError("\n".join(report.problems))
        self.stdout.write("Everything fits.")


def _owner_url() -> str:
    url = environment.text("DATABASE_OWNER_URL", "")
    if not url and environment.text("DATABASE_URL", ""):
        raise CommandError(
            "Set DATABASE_OWNER_URL to the address of the role that owns the tables (edc_owner)."
        )
    return url or settings.PLACES.owner_url
