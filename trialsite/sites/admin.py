"""Window on hospitals; their state and cap are changed on a page that asks for the reason."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from trialsite.sites.models import Site
from trialsite.staff.access import has
from trialsite.staff.capabilities import SITE_MANAGE, SITE_VIEW
from trialsite.staff.windows import Window


@admin.register(Site)
class SiteWindow(Window):
    """Hospitals."""

    view_capability = SITE_VIEW
    list_display = ("code", "number", "full_name", "target", "cap", "limit", "state")

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
