"""Window on hospitals, with activation, pause and close."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import DomainError
from trialsite.sites.models import Site
from trialsite.sites.services import set_state
from trialsite.staff.access import has
from trialsite.staff.capabilities import SITE_MANAGE, SITE_VIEW
from trialsite.staff.windows import Window


@admin.register(Site)
class SiteWindow(Window):
    """Hospitals."""

    view_capability = SITE_VIEW
    list_display = ("code", "number", "full_name", "target", "cap", "limit", "state")
    actions = ("activate", "pause", "close")

    def get_list_display(self, request: HttpRequest) -> Any:
        """With the way to the page that asks for a reason, for those who may."""
        return (*self.list_display, "steer") if has(request.user, SITE_MANAGE) else self.list_display

    @admin.display(description="")
    def steer(self, site: Site) -> str:
        return format_html(
            '<a class="ts-quiet" href="{}">{}</a>', reverse("hospital", args=[site.code]), _("State and cap")
        )

    @admin.display(description=_("name"))
    def full_name(self, site: Site) -> str:
        return site.name

    def _set(self, request: HttpRequest, queryset: QuerySet[Site], state: str, reason: str) -> None:
        actor: Any = request.user
        for site in queryset:
            try:
                set_state(actor=actor, site=site, state=state, reason=reason)
                messages.success(request, f"{site.code}: {state}")
            except DomainError as error:
                messages.error(request, f"{site.code}: {error}")

    @admin.action(description=_("Activate or resume"))
    def activate(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        """Open the hospitals for participants."""
        self._set(request, queryset, "active", "activated in the admin pages")

    @admin.action(description=_("Pause"))
    def pause(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        """No new participants for the time being."""
        self._set(request, queryset, "paused", "paused in the admin pages")

    @admin.action(description=_("Close for good"))
    def close(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        """No new participants any more."""
        self._set(request, queryset, "closed", "closed in the admin pages")

    for _one in (activate, pause, close):
        _one.capability = SITE_MANAGE  # type: ignore[attr-defined]
    del _one

    def get_actions(self, request: HttpRequest) -> Any:
        return super().get_actions(request) if has(request.user, SITE_MANAGE) else {}
