"""The door: sign-in, the second factor's code, sign-out, and the page behind an invitation's link.

These pages lie outside of /admin/ and run no script at all, so that their content policy is the strictest one.
"""

from typing import Any

from allauth.account.stages import LoginStageController
from allauth.account.views import LoginView, LogoutView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.stages import AuthenticateStage
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View
from redis.exceptions import RedisError

from trialsite.audit.context import bind_request
from trialsite.core.errors import DomainError
from trialsite.staff import accounts
from trialsite.staff.capabilities import PUBLIC
from trialsite.staff.errors import InvitationSpent


class _Door:
    """Open to strangers; kept by no cache; shut while attempts cannot be counted."""

    capability = PUBLIC

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except RedisError:
            answer = render(request, "door/shut.html", status=503)
            answer["Retry-After"] = "60"
        answer["Cache-Control"] = "no-store"
        return answer


class SignIn(_Door, LoginView):  # type: ignore[misc]
    """User name and passphrase."""

    template_name = "door/sign_in.html"


class Code(_Door, AuthenticateView):  # type: ignore[misc]
    """The second factor. Whoever knew the passphrase acts: a recovery code is used up in that name."""

    template_name = "door/code.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        stage = LoginStageController.enter(request, AuthenticateStage.key)
        if stage and stage.login.user:
            bind_request(stage.login.user)
        return super().dispatch(request, *args, **kwargs)


class SignOut(_Door, LogoutView):  # type: ignore[misc]
    """The way out; asks once where it was reached by a link."""

    template_name = "door/sign_out.html"


class PassphraseForm(forms.Form):
    """A new passphrase, twice."""

    passphrase = forms.CharField(
        label=gettext_lazy("New passphrase"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=gettext_lazy("The same once more"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors and given["passphrase"] != given["again"]:
            self.add_error("again", _("The two entries differ."))
        return given


class InvitationPage(_Door, View):
    """A person behind the link of an invitation sets the own passphrase."""

    def get(self, request: HttpRequest, number: str, secret: str) -> HttpResponse:
        return self._draw(PassphraseForm())

    def post(self, request: HttpRequest, number: str, secret: str) -> HttpResponse:
        form = PassphraseForm(request.POST)
        if not form.is_valid():
            return self._draw(form, status=422)
        try:
            accounts.accept(number=number, secret=secret, passphrase=form.cleaned_data["passphrase"])
        except InvitationSpent:
            return self._draw(form)
        except DomainError as error:
            for name, sentences in error.fields.items():
                form.add_error(name, sentences)
            return self._draw(form, status=422)
        messages.success(request, _("Your passphrase is set. Sign in with it now."))
        return redirect("account_login")

    def _draw(self, form: forms.Form, *, status: int = 200) -> HttpResponse:
        try:
            user = accounts.invited(self.kwargs["number"], self.kwargs["secret"])
        except InvitationSpent as error:
            return render(self.request, "door/spent.html", {"error": error}, status=error.status)
        return render(self.request, "door/invitation.html", {"form": form, "person": user}, status=status)
