"""Accounts, as an administrator keeps them: invite, send a new link, close, reopen, free a lost telephone."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.invitations import invite
from trialsite.console.pages.base import Page, StepPage
from trialsite.core.errors import DomainError
from trialsite.sites.models import Site
from trialsite.staff import accounts, second_factor, sessions
from trialsite.staff.capabilities import USER_MANAGE
from trialsite.staff.keeping import kept_by
from trialsite.staff.models import Membership, Token, User
from trialsite.staff.services import grant
from trialsite.staff.wording import ROLE_NAMES


class InviteForm(forms.Form):
    """Who is invited, and with which first role."""

    full_name = forms.CharField(label=gettext_lazy("Full name"), max_length=120)
    username = forms.CharField(label=gettext_lazy("User name"), max_length=60)
    email = forms.EmailField(label=gettext_lazy("E-mail"))
    phone = forms.CharField(label=gettext_lazy("Telephone at work"), max_length=40, required=False)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=[("zh-hans", "简体中文"), ("en", "English")]
    )
    role = forms.ChoiceField(label=gettext_lazy("First role"), required=False)
    site: Any = forms.ModelChoiceField(
        Site.objects.none(),
        label=gettext_lazy("Hospital"),
        required=False,
        empty_label=gettext_lazy("all hospitals"),
    )


class InvitePage(StepPage):
    """A new account; the person sets the passphrase, which nobody else ever knows."""

    capability = USER_MANAGE
    title = gettext_lazy("Invite a person")
    explanation = gettext_lazy(
        "The person gets a link by mail, sets a passphrase, and signs in. Every person has an own account; user names "
        "are never given to somebody else."
    )
    button = gettext_lazy("Send the invitation")
    form_class = InviteForm
    made: User

    def prepare(self, form: forms.Form) -> None:
        fields: Any = form.fields
        people = [pair for pair in ROLE_NAMES.items() if pair[0] not in ("system", "machine")]
        fields["role"].choices = [("", "–"), *people]
        fields["site"].queryset = Site.objects.all()

    def act(self, data: Mapping[str, Any]) -> None:
        known = {name: data[name] for name in ("username", "full_name", "email", "phone", "language")}
        self.made = accounts.open_account(actor=self.actor, **known)
        if data["role"]:
            grant(
                actor=self.actor,
                user=self.made,
                role=data["role"],
                site=data["site"],
                reason=_("first role, with the invitation"),
            )
        invite(actor=self.actor, user=self.made)

    def home(self) -> HttpResponse:
        return redirect("person", person_id=self.made.pk)


class ProgramForm(forms.Form):
    """What the program is, and where it works."""

    full_name = forms.CharField(label=gettext_lazy("What the program is"), max_length=120)
    username = forms.CharField(label=gettext_lazy("User name"), max_length=60)
    site: Any = forms.ModelChoiceField(
        Site.objects.none(),
        label=gettext_lazy("Hospital"),
        required=False,
        empty_label=gettext_lazy("all hospitals"),
    )


class ProgramPage(StepPage):
    """A new account for a program; tokens for it are made on the page of tokens."""

    capability = USER_MANAGE
    title = gettext_lazy("Open an account for a program")
    explanation = gettext_lazy(
        "A program never signs in. Make a token for it afterwards: whoever makes the token answers for it."
    )
    form_class = ProgramForm
    made: User

    def prepare(self, form: forms.Form) -> None:
        fields: Any = form.fields
        fields["site"].queryset = Site.objects.all()

    def act(self, data: Mapping[str, Any]) -> None:
        self.made = accounts.open_program(
            actor=self.actor, username=data["username"], full_name=data["full_name"]
        )
        grant(
            actor=self.actor,
            user=self.made,
            role="machine",
            site=data["site"],
            reason=_("an account for a program"),
        )

    def home(self) -> HttpResponse:
        return redirect("person", person_id=self.made.pk)


class PersonPage(Page):
    """One account: state, roles, sessions, tokens, and what can be done about it."""

    capability = USER_MANAGE
    template = "account/person.html"

    def person(self) -> User:
        """The account, among those that the actor keeps; system users are none of an administrator's business."""
        return get_object_or_404(kept_by(self.actor), pk=self.kwargs["person_id"])

    def get(self, request: HttpRequest, person_id: int) -> HttpResponse:
        person = self.person()
        return self.show(
            {
                "title": person.full_name,
                "person": person,
                "oneself": person.pk == self.actor.pk,
                "memberships": Membership.objects.filter(user=person).select_related("site"),
                "sessions": len(sessions.of(person)),
                "tokens": Token.objects.alive().filter(responsible=person).count(),
                "enrolled": second_factor.enrolled(person),
                "ready": person.has_usable_password(),
            }
        )


class _Act(PersonPage):
    """Base of the buttons: one service, and back."""

    http_method_names = ["post"]
    done: ClassVar[Any] = ""
    service: ClassVar[Callable[..., Any]]
    asks_reason: ClassVar[bool] = True

    def said(self, reason: str) -> dict[str, str]:
        """What the service asks for beside who and whom."""
        return {"reason": reason}

    def post(self, request: HttpRequest, person_id: int) -> HttpResponse:
        person, reason = self.person(), request.POST.get("reason", "").strip()[:300]
        try:
            if self.asks_reason and not reason:
                messages.error(request, _("Give a reason."))
            else:
                type(self).service(actor=self.actor, user=person, **self.said(reason))
                messages.success(request, str(self.done))
        except DomainError as error:
            messages.error(request, "; ".join(chain.from_iterable(error.fields.values())) or str(error))
        return redirect("person", person_id=person_id)


class SendLink(_Act):
    """A new link by mail: for a lost one, a forgotten passphrase, or a wrong address."""

    service = invite
    asks_reason = False
    done = gettext_lazy("A new link leaves by mail; older links have ended.")

    def said(self, reason: str) -> dict[str, str]:
        return {"email": self.request.POST.get("email", "").strip()}


class CloseAccount(_Act):
    """Close."""

    service = accounts.close_account
    done = gettext_lazy("The account is closed; its sessions and tokens have ended.")


class ReopenAccount(_Act):
    """Open again."""

    service = accounts.reopen_account
    done = gettext_lazy("The account is open again.")


class FreeTelephone(_Act):
    """Remove the second factor."""

    service = accounts.remove_second_factor
    done = gettext_lazy("The second factor is removed; the next sign-in sets up a new one.")
