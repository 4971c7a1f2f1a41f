"""Load a protocol folder and bring the hospitals up to date with it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.core.errors import DomainError
from trialsite.enrollment.trial import load
from trialsite.staff.capabilities import PROTOCOL_LOAD
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    """Safe to repeat: the same folder changes nothing."""

    capability = PROTOCOL_LOAD
    help = "Load a protocol folder and create or update its hospitals."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            version = load(actor=system_actor("system.loader"), folder=options["folder"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Protocol {version} is in force.")
