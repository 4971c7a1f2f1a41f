"""Check the stored ledger: chain, gaps, and every arm against the published roots."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from randomization.verification import verify
from trialsite.staff.capabilities import LEDGER_VIEW
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    """Exit code 1 when anything does not hold."""

    capability = LEDGER_VIEW
    help = "Verify ledger and proofs."

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify(actor=system_actor("system.loader"))
        for sentence in found:
            self.stderr.write(sentence)
        if found:
            raise CommandError(f"{len(found)} findings.")
        self.stdout.write("The ledger holds: chain, entries and proofs.")
