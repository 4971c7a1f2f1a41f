"""One's own account: passphrase, second factor, sessions."""

from collections.abc import Mapping
from typing import Any

from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import ReauthenticateView as CodeAgainView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.console.pages.base import Page, StepPage
from trialsite.console.pages.door import PassphraseForm
from trialsite.staff import accounts, second_factor, sessions
from trialsite.staff.access import roles_of
from trialsite.staff.capabilities import SIGNED_IN
from trialsite.staff.models import Token
from trialsite.staff.wording import role_name


class AccountPage(Page):
    """Everything of one's own account at one sight."""

    capability = SIGNED_IN
    template = "account/account.html"
    title = gettext_lazy("My account")

    def get(self, request: HttpRequest) -> HttpResponse:
        codes = Authenticator.objects.filter(
            user_id=self.actor.pk, type=Authenticator.Type.RECOVERY_CODES
        ).first()
        return self.show(
            {
                "person": self.actor,
                "roles": [role_name(role) for role in roles_of(self.actor)],
                "enrolled": second_factor.enrolled(self.actor),
                "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
                "sessions": [
                    (one, one.session_key[: sessions.SHOWN], one.session_key == request.session.session_key)
                    for one in sessions.of(self.actor)
                ],
                "tokens": Token.objects.alive().filter(user=self.actor).count(),
            }
        )


class EndSession(Page):
    """End one of the own sessions, or all but the present one."""

    capability = SIGNED_IN

    def post(self, request: HttpRequest) -> HttpResponse:
        mark = request.POST.get("session", "")[: sessions.SHOWN]
        mine = request.session.session_key or ""
        ended = sessions.end(actor=self.actor, user=self.actor, mark=mark, sparing=mine)
        messages.success(request, _("Sessions ended: {number}").format(number=ended))
        return redirect("account")


class ChangeForm(PassphraseForm):
    """The present passphrase, and twice the new one."""

    present = forms.CharField(
        label=gettext_lazy("Present passphrase"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("present", "passphrase", "again")


class PassphrasePage(StepPage):
    """Change the own passphrase."""

    capability = SIGNED_IN
    title = gettext_lazy("Change the passphrase")
    explanation = gettext_lazy(
        "At least 12 characters; a sentence of four or five words is good. Your other sessions end."
    )
    form_class = ChangeForm

    def act(self, data: Mapping[str, Any]) -> None:
        key = self.request.session.session_key or ""
        accounts.change_passphrase(
            actor=self.actor, present=data["present"], passphrase=data["passphrase"], keep_session=key
        )
        self.actor.refresh_from_db()
        update_session_auth_hash(self.request, self.actor)

    def home(self) -> HttpResponse:
        return redirect("account")


class ToPassphrase(Page):
    """The admin's own page for passwords leads to ours."""

    capability = SIGNED_IN

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("account_change_password")


class ToAccount(Page):
    """Where allauth looks for its own overview."""

    capability = SIGNED_IN
    before_second_factor = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("account")


class _Framed:
    """A page of allauth inside of the admin site's frame, for whoever is signed in."""

    capability = SIGNED_IN
    before_second_factor = True
    title: Any = gettext_lazy("Second factor")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), "/admin/login/")
        try:
            answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except Http404:  # there is no second factor to show
            return redirect("account")
        answer["Cache-Control"] = "no-store"
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {**admin.site.each_context(self.request), "title": self.title, **own}  # type: ignore[attr-defined]


class Activate(_Framed, ActivateTOTPView):  # type: ignore[misc]
    """Set up the second factor with an app on the telephone."""

    template_name = "account/activate.html"
    title = gettext_lazy("Set up the second factor")


class Deactivate(_Framed, DeactivateTOTPView):  # type: ignore[misc]
    """Take the second factor away, to set up another telephone."""

    template_name = "account/deactivate.html"
    title = gettext_lazy("Another telephone")

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        second_factor.gone(self.request)
        return answer


class Codes(_Framed, ViewRecoveryCodesView):  # type: ignore[misc]
    """The recovery codes, shown once."""

    template_name = "account/codes.html"
    title = gettext_lazy("Recovery codes")


class NewCodes(_Framed, GenerateRecoveryCodesView):  # type: ignore[misc]
    """New recovery codes; the old ones end."""

    template_name = "account/new_codes.html"
    title = gettext_lazy("New recovery codes")


class PassphraseAgain(_Framed, ReauthenticateView):  # type: ignore[misc]
    """The passphrase again, before the second factor is touched."""

    template_name = "account/again.html"
    title = gettext_lazy("Confirm that it is you")


class CodeAgain(_Framed, CodeAgainView):  # type: ignore[misc]
    """A code again, before the second factor is touched."""

    template_name = "account/again.html"
    title = gettext_lazy("Confirm that it is you")
