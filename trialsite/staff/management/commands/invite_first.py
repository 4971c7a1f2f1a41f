"""The first administrator of a new deployment: nobody is there yet who could send an invitation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.core.errors import DomainError
from trialsite.staff import accounts
from trialsite.staff.capabilities import HOST
from trialsite.staff.models import User, system_actor
from trialsite.staff.services import grant


class Command(BaseCommand):
    """Prints the link on the terminal of whoever administers the machine. Refused once any person has an account."""

    capability = HOST
    help = "Make the first administrator's account and print the link that sets the passphrase."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="full name")
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(kind=User.Kind.PERSON, is_active=True).exists():
            raise CommandError("There are accounts already: an administrator sends the invitation.")
        actor = system_actor("system.loader")
        try:
            user = accounts.open_account(
                actor=actor, username=options["username"], full_name=options["name"], email=options["email"]
            )
            grant(actor=actor, user=user, role="administrator", site=None, reason="first administrator")
            accounts.mark_invited(actor=actor, user=user)
        except DomainError as error:
            raise CommandError(f"{error} {error.fields or ''}") from error
        self.stdout.write(accounts.link(User.objects.get(pk=user.pk)))
