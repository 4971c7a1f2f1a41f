"""Check the stored ledger: chain, gaps, and every arm against the published roots."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from randomization.verification import verify
from trialsite.staff.capabilities import LEDGER_VIEW
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    """Exit code 1 when anything does not hold."""

    capability = LEDGER_VIEW
    help = "Verify ledger, list and proofs, and the heads in witness and mails."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--heads", type=Path, help="mailed heads: position and head on each line")

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify(actor=system_actor("system.loader"), heads=_heads(options["heads"]))
        for sentence in found:
            self.stderr.write(sentence)
        if found:
            raise CommandError(f"{len(found)} findings.")
        self.stdout.write("The ledger holds: chain, entries and proofs.")


def _heads(file: Path | None) -> list[tuple[int, str]]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [(int(position), head.lower()) for position, head in map(str.split, filter(str.strip, lines))]
    except (OSError, ValueError) as error:
        raise CommandError(f"The heads cannot be read: {error}") from error
