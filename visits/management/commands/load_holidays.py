"""Bring in the official calendar as far as the library knows it."""

from typing import Any

from django.core.management.base import BaseCommand

from trialsite.staff.capabilities import HOLIDAY_MANAGE
from trialsite.staff.models import system_actor
from visits.services import load_holidays


class Command(BaseCommand):
    """Idempotent; part of `prepare_database`."""

    help = "Load the public holidays and make-up working days of the years that are not in the table yet."
    capability = HOLIDAY_MANAGE

    def handle(self, *args: Any, **options: Any) -> None:
        count = load_holidays(actor=system_actor("system.loader"))
        self.stdout.write(f"{count} days of the official calendar are new.")
