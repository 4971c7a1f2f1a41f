"""Tokens of programs: list, make, end."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.pages.base import Page, StepPage
from trialsite.sites.models import Site
from trialsite.staff import tokens
from trialsite.staff.access import capabilities_of
from trialsite.staff.capabilities import TOKEN_OWN
from trialsite.staff.keeping import kept_by
from trialsite.staff.models import Token, User
from trialsite.staff.wording import CAPABILITY_NAMES, capability_name


def _visible(actor: User) -> QuerySet[Token]:
    """The own tokens and those one answers for; to whoever keeps accounts, those of these accounts too."""
    rows: QuerySet[Token] = Token.objects.select_related("user", "responsible", "use").order_by("-created")
    return rows.filter(Q(user=actor) | Q(responsible=actor) | Q(user__in=kept_by(actor)))


class TokensPage(Page):
    """Tokens, those that still live first told apart."""

    capability = TOKEN_OWN
    template = "account/tokens.html"
    title = gettext_lazy("Tokens for programs")

    def get(self, request: HttpRequest) -> HttpResponse:
        alive = set(Token.objects.alive().values_list("pk", flat=True))
        names = dict(Site.objects.values_list("pk", "code"))
        shown = [
            (
                token,
                token.pk in alive,
                [(code, capability_name(code)) for code in token.scopes],
                [names.get(pk, pk) for pk in token.sites or ()],
            )
            for token in _visible(self.actor)[:200]
        ]
        return self.show({"tokens": shown})


class EndToken(Page):
    """End a token."""

    capability = TOKEN_OWN

    def post(self, request: HttpRequest, token_key: str) -> HttpResponse:
        token = get_object_or_404(_visible(self.actor), token_key=token_key)
        tokens.end_token(actor=self.actor, token=token)
        messages.success(request, _("The token has ended."))
        return redirect("tokens")


class TokenForm(forms.Form):
    """What a new token may do, where, and for how long."""

    account: Any = forms.ModelChoiceField(
        User.objects.none(), label=gettext_lazy("Account"), empty_label=None
    )
    name = forms.CharField(label=gettext_lazy("What it is for"), max_length=60)
    days = forms.IntegerField(label=gettext_lazy("Days"), min_value=1, max_value=366, initial=90)
    sites: Any = forms.ModelMultipleChoiceField(
        Site.objects.none(),
        label=gettext_lazy("Only these hospitals"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "ts-checks"}),
    )


class NewTokenPage(StepPage):
    """Make a token; its secret is shown on the answer to this form and never again."""

    capability = TOKEN_OWN
    title = gettext_lazy("New token")
    explanation = gettext_lazy(
        "A program uses the token in your name. Give it no more than it needs. It ends with its date, with your "
        "account, or when you end it."
    )
    button = gettext_lazy("Make the token")
    form_class = TokenForm
    secret = ""

    def initial(self) -> dict[str, Any]:
        return {"account": self.actor.pk}

    def prepare(self, form: forms.Form) -> None:
        programs = Q(pk__in=kept_by(self.actor), kind=User.Kind.MACHINE)
        fields: Any = form.fields
        accounts = User.objects.filter(programs | Q(pk=self.actor.pk), is_active=True)
        fields["account"].queryset = accounts
        fields["sites"].queryset = Site.objects.all()
        held = {name for user in accounts for name in capabilities_of(user)}
        fields["scopes"].choices = [
            (code, f"{words} ({code})") for code, words in CAPABILITY_NAMES.items() if code in held
        ]

    def act(self, data: Mapping[str, Any]) -> None:
        self.secret = tokens.issue_token(
            actor=self.actor,
            user=self.actor if data["account"].pk == self.actor.pk else data["account"],
            name=data["name"],
            valid_for=dt.timedelta(days=data["days"]),
            scopes=data["scopes"],
            sites=[site.pk for site in data["sites"]] or None,
        )

    def home(self) -> HttpResponse:
        self.template = "account/secret.html"  # type: ignore[misc]
        answer = self.show({"secret": self.secret})
        answer["Cache-Control"] = "no-store"
        return answer
