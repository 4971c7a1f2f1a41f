"""What changes from one protocol version to another, and for whom."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trialsite.audit.context import acting
from trialsite.core.errors import NotFound
from trialsite.enrollment.amendments import amendment
from trialsite.staff.capabilities import PROTOCOL_VIEW
from trialsite.staff.models import system_actor


class Command(BaseCommand):
    help = "Print every difference of two protocol versions and the participants bound to the older one."
    capability = PROTOCOL_VIEW

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old")
        parser.add_argument("new")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = system_actor("system.loader")
        try:
            with acting(actor):
                found = amendment(actor, options["old"], options["new"])
        except NotFound as error:
            raise CommandError("There is no such version.") from error
        for one in found.differences:
            self.stdout.write(f"{one.kind:8} {one.part} {one.code}")
            for change in one.changes if one.kind == "changed" else ():
                self.stdout.write(f"           {change.path}: {change.old} → {change.new}")
        for here in found.hospitals:
            self.stdout.write(f"{here.site.code}: {', '.join(here.bound)}; owing: {', '.join(here.owing)}")
