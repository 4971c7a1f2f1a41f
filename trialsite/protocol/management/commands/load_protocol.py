"""Check or load a protocol folder."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.core.errors import DomainError
from trialsite.protocol.reader import read
from trialsite.protocol.services import load
from trialsite.staff.capabilities import PROTOCOL_LOAD
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    """With --check nothing but the folder is needed: no database."""

    capability = PROTOCOL_LOAD
    help = "Load a protocol folder as an immutable version, or only check it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--check", action="store_true", help="name every mistake and store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"]
        if options["check"]:
            _, problems = read(folder)
            for problem in problems:
                self.stderr.write(str(problem))
            if problems:
                raise CommandError(f"{len(problems)} mistakes in {folder}.")
            self.stdout.write(f"{folder}: no mistake found.")
            return
        try:
            version = load(actor=system_actor("system.loader"), folder=folder)
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Protocol {version} is loaded ({version.sha256[:12]}…).")
