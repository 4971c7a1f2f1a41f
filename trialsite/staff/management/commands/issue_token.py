"""Make an API token for an account; the secret is printed this once."""

import datetime as dt
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from trialsite.core.errors import DomainError
from trialsite.staff.capabilities import USER_MANAGE
from trialsite.staff.models import User, system_actor
from trialsite.staff.tokens import issue_token


class Command(BaseCommand):
    """For whoever administers the machine: the trail names the loader, not the person. People make their own."""

    capability = USER_MANAGE
    help = "Make an API token for an account and print it."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument(
            "--scopes", nargs="+", help="capabilities; without it: all that the account holds"
        )
        parser.add_argument("--sites", nargs="+", metavar="CODE", help="hospitals; without it: all it has")
        parser.add_argument("--responsible", metavar="USERNAME", help="who answers for a program's token")

    def handle(self, *args: Any, **options: Any) -> None:
        user, answering = _account(options["username"]), options["responsible"]
        try:
            secret = issue_token(
                actor=system_actor("system.loader"),
                user=user,
                name=options["name"],
                valid_for=dt.timedelta(days=options["days"]),
                scopes=options["scopes"],
                sites=options["sites"] and [_site(code) for code in options["sites"]],
                responsible=_account(answering) if answering else None,
            )
        except DomainError as refused:
            named = [f"{name}: {' '.join(told)}" for name, told in refused.fields.items()]
            raise CommandError("\n".join([str(refused), *named])) from refused
        self.stdout.write(secret)


def _account(username: str) -> User:
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active account {username!r}.")
    return user


def _site(code: str) -> int:
    site = apps.get_model("sites", "Site")._default_manager.filter(code=code).first()
    if site is None:
        raise CommandError(f"There is no hospital {code!r}.")
    return int(site.pk)
