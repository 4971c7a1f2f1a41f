"""Install a sealed list, once for ever."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from randomization.services import install_list
from trialsite.core.errors import DomainError
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User


class Command(BaseCommand):
    """The account that is named must hold `sequence.manage`; it stands in the trail."""

    capability = SEQUENCE_MANAGE
    help = "Install a sealed randomization list."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--actor", required=True, help="user name of the statistician who installs it")
        parser.add_argument("--total-cap", type=int, help="not above the protocol's, which is the default")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = User.objects.filter(username=options["actor"], is_active=True).first()
        if actor is None:
            raise CommandError(f"There is no active account {options['actor']!r}.")
        try:
            document = json.loads(options["file"].read_text(encoding="utf-8"))
            scheme = install_list(actor=actor, document=document, total_cap=options["total_cap"])
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(f"The file cannot be read: {error}") from error
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Installed for {scheme.trial}; ledger head {scheme.head}")
