"""Make an API token for an account; the secret is printed this once."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.staff.capabilities import TOKEN_OWN
from trialsite.staff.models import User
from trialsite.staff.tokens import issue_token


class Command(BaseCommand):
    """For whoever administers the machine; people make their own over REST."""

    capability = TOKEN_OWN
    help = "Make an API token for an account and print it."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--days", type=int, default=90)

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active account {options['username']!r}.")
        days = dt.timedelta(days=options["days"])
        self.stdout.write(issue_token(actor=user, user=user, name=options["name"], valid_for=days))
