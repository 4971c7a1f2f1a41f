"""Brings every data key under the newest key of DATA_KEYS; may be broken off and run again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.participants import services
from trialsite.participants.vault import KeyLost
from trialsite.staff.capabilities import CONTACT_VIEW
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    capability = CONTACT_VIEW
    help = (
        "Wrap the data keys of contact details anew after a key was put in front of DATA_KEYS or INDEX_KEYS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = 0
        try:
            for done in services.rewrap_keys(actor=system_actor("system.loader")):
                self.stdout.write(f"{done} data keys wrapped anew")
        except KeyLost as error:
            raise CommandError(
                "A data key cannot be opened: put the key that is missing back into DATA_KEYS, then run this again."
            ) from error
        self.stdout.write(f"{done} data keys wrapped anew; all of them are under the newest key.")
