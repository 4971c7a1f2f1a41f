"""The first administrator of a new deployment: nobody is there yet who could send an invitation."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trialsite.core.errors import DomainError
from trialsite.staff import accounts
from trialsite.staff.capabilities import HOST
from trialsite.staff.models import User, system_actor
from trialsite.staff.services import grant


class Command(BaseCommand):
    """Prints the link on the terminal of whoever administers the machine; a new one where it is lost or too old.

    Refused once any person has set a passphrase.
    """

    capability = HOST
    help = "Make the first administrator's account and print the link that sets the passphrase."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="full name")
        parser.add_argument("--email", required=True)
        parser.add_argument("--language", choices=["zh-hans", "en"], default="zh-hans", help="of mails")

    def handle(self, *args: Any, **options: Any) -> None:
        people = User.objects.filter(kind=User.Kind.PERSON, is_active=True)
        if any(person.has_usable_password() for person in people):
            raise CommandError("There are accounts already: an administrator sends the invitation.")
        actor = system_actor("system.loader")
        user = people.filter(username=options["username"]).first()
        try:
            if user is None:
                user = accounts.open_account(
                    actor=actor,
                    username=options["username"],
                    full_name=options["name"],
                    email=options["email"],
                    language=options["language"],
                )
                grant(actor=actor, user=user, role="administrator", site=None, reason="first administrator")
            accounts.mark_invited(actor=actor, user=user)
        except DomainError as error:
            raise CommandError(f"{error} {error.fields or ''}") from error
        self.stdout.write(accounts.link(User.objects.get(pk=user.pk)))
