"""Fill the demonstration."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.demo.population import load
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """Safe to repeat: a filled demonstration is left alone."""

    capability = HOST
    help = "Fill the demonstration with invented participants (never in production)."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            load(lambda line: self.stdout.write(str(line)))
        except RuntimeError as error:
            raise CommandError(str(error)) from error
