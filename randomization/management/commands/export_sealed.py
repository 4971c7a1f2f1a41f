"""Write the sealed export, from which `docs/tools/verify_trial.py` re-derives everything without this project."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from randomization.exporting import sealed_export
from trialsite.core.errors import DomainError
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User


class Command(BaseCommand):
    """The account that is named must hold `sequence.manage`; it stands in the trail."""

    capability = SEQUENCE_MANAGE
    help = "Write the sealed export of list and ledger."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("out", type=Path)
        parser.add_argument("--actor", required=True, help="user name of the statistician who takes it")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = User.objects.filter(username=options["actor"], is_active=True).first()
        if actor is None:
            raise CommandError(f"There is no active account {options['actor']!r}.")
        try:
            document = sealed_export(actor=actor)
            with options["out"].open("x", encoding="utf-8") as file:
                json.dump(document, file, indent=1, ensure_ascii=False)
        except (DomainError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(document['rows'])} allocations; ledger head {document['head']}")
