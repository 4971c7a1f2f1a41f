"""Print who has access to a hospital, as CSV."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.core.sheets import csv_rows
from trialsite.roster.reading import report
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import ROSTER_VIEW
from trialsite.staff.models import User


class Command(BaseCommand):
    """For the periodic review; signed on the page of the same name."""

    capability = ROSTER_VIEW
    help = "Print who has which role at a hospital since when, last sign-in and training, as CSV."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("site", help="code of the hospital")
        parser.add_argument("--actor", required=True, help="user name of whoever asks")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = User.objects.filter(username=options["actor"], is_active=True).first()
        site = Site.objects.filter(code=options["site"]).first()
        if actor is None or site is None:
            raise CommandError("There is no such active account, or no such hospital.")
        with acting(actor):
            require(actor, ROSTER_VIEW, site=site)
            note(actor=actor, action="export", about="staff_membership", site=site.pk)
            rows = [row.document() for row in report(actor, site)]
        names = list(rows[0]) if rows else []
        for line in csv_rows([names, *(row.values() for row in rows)]):
            self.stdout.write(line, ending="")
