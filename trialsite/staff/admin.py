"""Windows on accounts and roles."""

from typing import cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from trialsite.staff.capabilities import RECORD_VIEW, USER_MANAGE
from trialsite.staff.keeping import kept_by
from trialsite.staff.models import Membership, Signature, User
from trialsite.staff.windows import Window
from trialsite.staff.wording import role_name

# The permission file replaces Django's groups.
admin.site.unregister(Group)
# Addresses stand in the account, and nobody looks at another's second factor.
admin.site.unregister([EmailAddress, Authenticator])


@admin.register(User)
class UserWindow(Window):
    """Accounts."""

    view_capability = USER_MANAGE
    list_display = ("username", "full_name", "kind", "language", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("username", "full_name")
    exclude = ("password",)
    actions_list = ("invite", "program")
    actions_detail = ("keep",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        """Those that the actor keeps."""
        return super().get_queryset(request).filter(pk__in=kept_by(cast(User, request.user)))

    @action(description=_("Invite a person"), url_path="invite")  # type: ignore[untyped-decorator]
    def invite(self, request: HttpRequest) -> HttpResponse:
        """To the page of the invitation."""
        return redirect("invite")

    @action(description=_("Open an account for a program"), url_path="program")  # type: ignore[untyped-decorator]
    def program(self, request: HttpRequest) -> HttpResponse:
        """To the page where a program gets an account."""
        return redirect("program")

    @action(description=_("Keep this account"), url_path="keep")  # type: ignore[untyped-decorator]
    def keep(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To the page where the account is kept."""
        if not object_id.isdecimal():
            raise Http404
        return redirect("person", person_id=int(object_id))

    for _one in (invite, program, keep):
        _one.capability = USER_MANAGE
    del _one


@admin.register(Membership)
class MembershipWindow(Window):
    """Who has which role where, since when."""

    view_capability = USER_MANAGE
    list_display = ("user", "role_told", "site", "starts_at", "ends_at")
    list_filter = ("role", "site")
    list_select_related = ("user", "site")

    @admin.display(description=_("role"), ordering="role")
    def role_told(self, membership: Membership) -> str:
        """By its name."""
        return role_name(membership.role)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        """Those of the people whose accounts the actor keeps."""
        return super().get_queryset(request).filter(user__in=kept_by(cast(User, request.user)))


@admin.register(Signature)
class SignatureWindow(Window):
    """Electronic signatures, standing and fallen."""

    view_capability = RECORD_VIEW
    list_display = ("printed_name", "meaning", "signed_at", "site", "fallen_at", "fallen_reason")
    list_filter = ("site",)
    list_select_related = ("site",)
