"""Windows on accounts and roles."""

from django.contrib import admin
from django.contrib.auth.models import Group

from trialsite.staff.capabilities import RECORD_VIEW, USER_MANAGE
from trialsite.staff.models import Membership, Signature, User
from trialsite.staff.windows import Window

# The permission file replaces Django's groups.
admin.site.unregister(Group)


@admin.register(User)
class UserWindow(Window):
    """Accounts."""

    view_capability = USER_MANAGE
    list_display = ("username", "full_name", "kind", "language", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("username", "full_name")
    exclude = ("password",)


@admin.register(Membership)
class MembershipWindow(Window):
    """Who has which role where, since when."""

    view_capability = USER_MANAGE
    list_display = ("user", "role", "site", "starts_at", "ends_at")
    list_filter = ("role", "site")
    list_select_related = ("user", "site")


@admin.register(Signature)
class SignatureWindow(Window):
    """Electronic signatures, standing and fallen."""

    view_capability = RECORD_VIEW
    list_display = ("printed_name", "meaning", "signed_at", "site", "fallen_at", "fallen_reason")
    list_filter = ("site",)
    list_select_related = ("site",)
